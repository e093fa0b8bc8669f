"""A schema as a mapping of objects to definitions, and what tells two of them apart.

A dialect takes the snapshot and normalises it: two schemas that mean the same are equal here, whatever the order of
their columns, and however their text is spaced. Snapshots of different normalisers or server versions can't be
compared: what is printed differently may still mean the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from operator import itemgetter
from typing import Any

import orjson

from migrate_flow.core import canonical

SCHEMA = "migrate-flow/snapshot/1"
_PLAIN = re.compile(r"[^\W\d][\w$]*")
_SURROGATE = re.compile("[\ud800-\udfff]")
# A definition of one text, rather than of several attributes.
TEXT = "definition"


@dataclass(frozen=True, slots=True)
class SchemaObject:
    """kind: ``table``, ``column``, …. name: printable and qualified, see `dotted`. definition: attributes, sorted;
    an attribute that is not set is left out. of: the key of the object that it goes with, empty if it stands alone.
    """

    kind: str
    name: str
    definition: tuple[tuple[str, str], ...] = ()
    of: str = ""

    @property
    def key(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Snapshot:
    """objects: by key, in order. column_order: the names of columns, by the key of their table; never a difference.
    normaliser: name and version, as in ``postgresql/1``. server_major: what the server calls a major version.
    rows: the server's digest of what it was made from, empty where none was asked for; no part of the document.
    """

    objects: Mapping[str, SchemaObject]
    column_order: Mapping[str, tuple[str, ...]]
    normaliser: str
    server_major: str
    rows: str = field(default="", compare=False)

    @cached_property
    def fingerprint(self) -> str:
        """``sha256:…``, without the order of columns. Equal ones mean equal schemas; `difference` judges others."""
        return canonical.sha256(self._written({}))

    def to_bytes(self) -> bytes:
        """`to_document` in its canonical form."""
        return self._content

    @cached_property
    def _content(self) -> bytes:  # an outcome and the intent behind it store the same one
        return self._written({"schema": SCHEMA, "column_order": self._order()})

    def _written(self, more: dict[str, Any]) -> bytes:
        """The tags, the objects and more, as core.canonical writes them. Every text here is one that it keeps
        (`_stable`), and nearly all are ASCII, where a plain encoder writes the same bytes much faster."""
        said = {**self._said(), **more}
        parts = {name: _dumps(value) for name, value in said.items()} | {"objects": self._objects}
        if all(part.isascii() for part in parts.values()):
            pairs = (b'"%b":%b' % (name.encode(), part) for name, part in sorted(parts.items()))
            return b"{%b}" % b",".join(pairs)
        return canonical.dumps({**said, "objects": _rows(self.objects)})

    @cached_property
    def _objects(self) -> bytes:
        """As JSON; the longest part, once for both that have it."""
        return _dumps([(item.kind, item.name, item.of, item.definition) for item in self.objects.values()])

    def to_document(self) -> dict[str, Any]:
        """JSON values, to be written with core.canonical."""
        return {"schema": SCHEMA, **self._said(), "objects": _rows(self.objects), "column_order": self._order()}

    def _order(self) -> dict[str, list[str]]:
        return {table: list(columns) for table, columns in sorted(self.column_order.items())}

    def _said(self) -> dict[str, Any]:
        return {"normaliser": self.normaliser, "server_major": self.server_major}


@dataclass(frozen=True, slots=True)
class RecordedSchema:
    """A schema as the entry at seq has it. snapshot: digest of the stored one. normaliser, server_major: its tags.
    rows: the server's digest of what it was made from; empty where there is none."""

    seq: int
    fingerprint: str
    snapshot: str
    normaliser: str
    server_major: str
    rows: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """change: ``added``, ``removed`` or ``changed``. expected, observed: empty where the object is not there."""

    object: str
    kind: str
    change: str
    expected: str
    observed: str


@dataclass(frozen=True, slots=True)
class Indeterminate:
    """Two snapshots that can't be compared: neither equal nor different."""

    reason: str


def snapshot_of(
    objects: Iterable[SchemaObject],
    column_order: Mapping[str, tuple[str, ...]],
    *,
    normaliser: str,
    server_major: str,
    rows: str = "",
) -> Snapshot:
    """Objects in any order. Two of the same key (constraints without a name) are numbered, by their definition."""
    found: dict[str, SchemaObject] = {}
    keyed = ((item.key, item.of, item.definition, item) for item in map(_stable, objects))
    for key, _, _, item in sorted(keyed, key=itemgetter(0, 1, 2)):
        numbered, n = item, 1
        while key in found:
            n += 1
            numbered = SchemaObject(item.kind, f"{item.name} #{n}", item.definition, item.of)
            key = numbered.key
        found[key] = numbered
    order = {_text(table): tuple(map(_text, columns)) for table, columns in sorted(column_order.items())}
    return Snapshot(dict(sorted(found.items())), order, normaliser, server_major, rows)


def from_document(document: Any) -> Snapshot:
    """What `to_document` gave, or the same read from JSON. Raises ValueError for anything else."""
    try:
        objects = [
            SchemaObject(kind, name, tuple((key, value) for key, value in definition), of)
            for kind, name, of, definition in document["objects"]
        ]
        order = {table: tuple(columns) for table, columns in document["column_order"].items()}
        tags = document["normaliser"], document["server_major"]
        if not all(isinstance(tag, str) for tag in tags):
            raise TypeError("a tag is no text")
        made = snapshot_of(objects, order, normaliser=tags[0], server_major=tags[1])
        same = canonical.dumps(made.to_document()) == canonical.dumps(document)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"it is no snapshot of a schema: {error}") from None
    if not same:
        raise ValueError("it is no snapshot of a schema as this version writes it")
    return made


def difference(expected: Snapshot, observed: Snapshot) -> tuple[Difference, ...] | Indeterminate:
    """What differs, in the order of keys. What goes with a new or missing object is told in that object's line."""
    for name, one, other in (
        ("normaliser", expected.normaliser, observed.normaliser),
        ("server version", expected.server_major, observed.server_major),
    ):
        if one != other:
            return Indeterminate(f"the snapshots are of {name} {one} and {other}")
    changes = {
        key: _change(expected.objects.get(key), observed.objects.get(key))
        for key in sorted(expected.objects.keys() | observed.objects.keys())
        if expected.objects.get(key) != observed.objects.get(key)
    }
    return tuple(_told(expected, observed, changes))


def reordered(expected: Snapshot, observed: Snapshot) -> tuple[str, ...]:
    """Keys of tables that have the same columns in another order: worth a note, never a difference."""
    return tuple(
        table
        for table, columns in sorted(expected.column_order.items())
        if columns != observed.column_order.get(table) and set(columns) == set(observed.column_order.get(table, ()))
    )


def dotted(*parts: str) -> str:
    """A qualified name that can be read and printed: ``public.users``, ``public."two words"``."""
    return ".".join(part if _PLAIN.fullmatch(part) else _quoted(part) for part in parts)


def attributes(**values: str | bool | None) -> tuple[tuple[str, str], ...]:
    """A definition of what is set; an underscore in a name stands for a space."""
    return tuple(
        sorted(
            (name.replace("_", " "), "yes" if value is True else str(value)) for name, value in values.items() if value
        )
    )


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    readable = doubled if doubled.isprintable() else doubled.encode("unicode_escape").decode()
    return f'"{readable}"'


def _stable(item: SchemaObject) -> SchemaObject:
    definition = _stable_definition(item.definition)
    if definition == item.definition and item.name.isascii() and item.of.isascii() and item.kind.isascii():
        return item
    return SchemaObject(_text(item.kind), _text(item.name), definition, _text(item.of))


@lru_cache(maxsize=20_000)
def _stable_definition(definition: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Many objects have the same one, and most are there again in the next snapshot of a run."""
    return tuple(sorted((_text(name), _text(value)) for name, value in definition))


def _text(value: str) -> str:
    """Text that canonical JSON keeps as it is: other forms of the same characters are another definition."""
    if value.isascii() or (unicodedata.is_normalized("NFC", value) and not _SURROGATE.search(value)):
        return value
    return value.encode("ascii", "backslashreplace").decode()


def _dumps(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _rows(objects: Mapping[str, SchemaObject]) -> list[list[Any]]:
    return [[item.kind, item.name, item.of, [list(pair) for pair in item.definition]] for item in objects.values()]


def _change(expected: SchemaObject | None, observed: SchemaObject | None) -> str:
    if expected is None:
        return "added"
    return "removed" if observed is None else "changed"


def _told(expected: Snapshot, observed: Snapshot, changes: Mapping[str, str]) -> Iterator[Difference]:
    sides = {"removed": expected, "added": observed}
    folded: dict[str, list[SchemaObject]] = defaultdict(list)
    tops = []
    for key, change in changes.items():
        top = _topmost(sides[change].objects, key, change, changes) if change in sides else key
        if top == key:
            tops.append(key)
        else:
            folded[top].append(sides[change].objects[key])
    for key in tops:
        before, after = expected.objects.get(key), observed.objects.get(key)
        kind = (before or after or SchemaObject("", "")).kind
        if before and after:
            yield Difference(key, kind, changes[key], *_unlike(before, after))
        else:
            yield Difference(key, kind, changes[key], _whole(before, folded[key]), _whole(after, folded[key]))


def _topmost(objects: Mapping[str, SchemaObject], key: str, change: str, changes: Mapping[str, str]) -> str:
    """The outermost object that came or went together with this one."""
    above = objects[key].of
    seen = {key}
    while above in objects and above not in seen and changes.get(above) == change:
        seen.add(above)
        key, above = above, objects[above].of
    return key


def _whole(item: SchemaObject | None, parts: Iterable[SchemaObject]) -> str:
    if item is None:
        return ""
    inside: dict[str, list[str]] = defaultdict(list)
    for part in parts:
        inside[part.kind].append(part.name.removeprefix(f"{item.name}."))
    said = [f"{kind}: {', '.join(names)}" for kind, names in sorted(inside.items())]
    return "; ".join([*filter(None, [_shown(item.definition)]), *said]) or item.key


def _unlike(before: SchemaObject, after: SchemaObject) -> tuple[str, str]:
    """What is not the same of two definitions."""
    same = set(before.definition) & set(after.definition)
    sides = [[pair for pair in item.definition if pair not in same] for item in (before, after)]
    if before.of != after.of:
        for pairs, item in zip(sides, (before, after), strict=True):
            pairs.append(("of", item.of or "nothing"))
    names = {name for pairs in sides for name, _ in pairs}
    for pairs in sides:
        pairs += [(name, "(not set)") for name in sorted(names - {name for name, _ in pairs})]
    return _shown(sorted(sides[0])), _shown(sorted(sides[1]))


def _shown(definition: Iterable[tuple[str, str]]) -> str:
    return "; ".join(
        value if name == TEXT else name if value == "yes" else f"{name}: {value}" for name, value in definition
    )
