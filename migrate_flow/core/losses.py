"""What an upgrade drops that may hold data: from the statements that it sent, and the schema before and after.

The statements tell a renamed or copied column from one that is gone and another that came; the schemas tell what no
statement shows. Where neither is sure, it counts as dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from migrate_flow.core.snapshot import Snapshot

_TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?\*/)|(?P<text>'(?:[^'\\]|''|\\.)*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)"""
    r"""|"(?P<quoted>(?:[^"]|"")+)"|`(?P<ticked>[^`]+)`|(?P<word>\w[\w$]*)|(?P<other>\S)""",
    re.S,
)
_NOT_COLUMNS = frozenset(
    {"constraint", "primary", "foreign", "index", "key", "check", "partition", "default", "not", "unique", "period"}
)
_NO_STEPS = frozenset({"trigger", "function", "procedure", "rule", "event"})  # what stands in their bodies comes later

Tokens = Sequence[str]


def losses(before: Snapshot, after: Snapshot, texts: Iterable[str]) -> tuple[str, ...]:
    """``table people``, ``column people.age``, ``rows of people``, as they were called before; in order, each once."""
    told = _Told(before)
    for text in texts:
        for tokens in _statements(text):
            told.hear(tokens)
    return told.lost(before, after)


class _Told:
    """Where the tables and columns of before are now, as far as the statements tell.

    _tables: name now -> name before. _columns: by the table's name before, column now -> column before. _copies: of a
    table that is new -> the table that all its rows come from, and what its columns are called there and here.
    """

    def __init__(self, before: Snapshot) -> None:
        self._tables: dict[str, str] = {}
        self._columns: dict[str, dict[str, str]] = {}
        self._copies: dict[str, tuple[str, Mapping[str, str]]] = {}
        self._rows: dict[str, None] = {}  # of these some went
        for item in before.objects.values():
            if item.kind == "table":
                self._tables[_last(item.name)] = _last(item.name)
        for table, column in _columns_of(before):
            self._columns.setdefault(table, {})[column] = column

    def hear(self, tokens: Tokens) -> None:
        match tokens:
            case ["alter", "table", *rest]:
                self._alter(rest)
            case ["rename", "table", *rest]:
                for clause in _clauses(rest):
                    old, at = _name(clause, 0)
                    self._move(old, _name(clause, at + 1)[0])
            case ["drop", "table", *rest]:
                for clause in _clauses(_without(rest, "if", "exists")):
                    self._drop(_name(clause, 0)[0])
            case ["truncate", *rest]:
                for clause in _clauses(_without(rest, "table", "only")):
                    self._empty(_name(clause, 0)[0])
            case ["create", *rest] if "as" in rest and "table" in rest[:5]:
                at = rest.index("table") + 1
                self._copy(_name(_without(rest[at:], "if", "not", "exists"), 0)[0], rest)
            case ["insert" | "replace", *rest] if "into" in rest[:3]:
                self._copy(_name(rest, rest.index("into") + 1)[0], rest)
        self._deletes(tokens)

    def lost(self, before: Snapshot, after: Snapshot) -> tuple[str, ...]:
        there = {_last(item.name) for item in after.objects.values() if item.kind == "table"}
        columns = set(_columns_of(after))
        now = {was: name for name, was in self._tables.items() if name in there}
        stays = {
            (was, column)
            for was, name in now.items()
            for current, column in self._columns.get(was, {}).items()
            if (name, current) in columns
        }
        found = [f"table {was}" for was in map(_last, _named(before, "table")) if was not in now]
        found += [
            f"column {table}.{column}"
            for table, column in _columns_of(before)
            if table in now and (table, column) not in stays
        ]
        found += [f"rows of {table}" for table in self._rows if table in now]
        return tuple(dict.fromkeys(found))

    def _alter(self, tokens: Tokens) -> None:
        named = _without(tokens, "if", "exists", "only")
        table, at = _name(named, 0)
        for clause in _clauses(named[at:]):
            match clause:
                case ["rename", "to" | "as", *rest]:
                    self._move(table, _name(rest, 0)[0])
                    table = _name(rest, 0)[0]
                case ["rename", "constraint" | "index" | "key", *_]:
                    pass
                case ["rename", "column", old, "to", new, *_] | ["rename", old, "to", new, *_]:
                    self._rename(table, old, new)
                case ["change", "column", old, new, *_] | ["change", old, new, *_]:
                    self._rename(table, old, new)
                case ["drop", *rest]:
                    dropped = _without(rest, "column", "if", "exists")
                    if dropped and (dropped[0] not in _NOT_COLUMNS or rest[0] == "column"):
                        self._rename(table, dropped[0], "")

    def _move(self, old: str, new: str) -> None:
        if old in self._tables:
            self._tables[new] = self._tables.pop(old)
        if old in self._copies:
            self._copies[new] = self._copies.pop(old)

    def _rename(self, table: str, old: str, new: str) -> None:
        """new: empty for a column that is dropped. One that comes under the same name later is another."""
        columns = self._columns.get(self._tables.get(table, ""), {})
        if old in columns:
            was = columns.pop(old)
            if new:
                columns[new] = was

    def _copy(self, new: str, tokens: Tokens) -> None:
        """INSERT … SELECT and CREATE TABLE … AS SELECT into a new table, of all rows of one other."""
        if "select" not in tokens or new in self._tables:
            return
        at = tokens.index("select")
        if "from" not in tokens[at:]:
            return
        begin = tokens.index("from", at)
        source, end = _name(tokens, begin + 1)
        if source in self._tables and not tokens[end:] and tokens[at + 1] != "distinct":
            known = self._columns.get(self._tables[source], {})
            self._copies[new] = source, _taken(known, tokens[:at], list(_clauses(tokens[at + 1 : begin])))

    def _drop(self, table: str) -> None:
        was = self._tables.pop(table, None)
        self._copies.pop(table, None)
        if was is None:
            return
        for copy, (source, taken) in list(self._copies.items()):
            if source == table:
                del self._copies[copy]
                self._tables[copy] = was
                columns = self._columns.get(was, {})
                self._columns[was] = {new: columns[old] for old, new in taken.items() if old in columns}
                return

    def _empty(self, table: str) -> None:
        if table in self._tables:
            self._rows[self._tables[table]] = None

    def _deletes(self, tokens: Tokens) -> None:
        for at, word in enumerate(tokens):
            if word == "delete" and "from" in tokens[at : at + 3]:
                start = tokens.index("from", at) + 1
                self._empty(_name(_without(tokens[start:], "only"), 0)[0])


def _taken(known: Iterable[str], ahead: Tokens, items: Sequence[Tokens]) -> dict[str, str]:
    """Column there -> column here, of the items of a SELECT. ahead: what stands before it, the names here among it."""
    if [list(item) for item in items] == [["*"]]:
        return {column: column for column in known}
    here: list[str] = []
    if ahead and ahead[-1] == ")":
        here = [clause[0] for clause in _clauses(ahead[_opening(ahead) + 1 : -1]) if clause]
    found = {}
    for at, item in enumerate(items):
        # CAST(people.age AS TEXT) AS age
        names = {word for place, word in enumerate(item) if item[place + 1 : place + 2] != ["."]}
        for column in set(known) & names:
            found[column] = here[at] if at < len(here) else item[-1]
    return found


def _opening(tokens: Tokens) -> int:
    """Where the last parenthesis opens."""
    return max(at for at, word in enumerate(tokens) if word == "(") if "(" in tokens else len(tokens)


def _named(schema: Snapshot, kind: str) -> Iterator[str]:
    return (item.name for item in schema.objects.values() if item.kind == kind)


def _columns_of(schema: Snapshot) -> Iterator[tuple[str, str]]:
    """Table and column, of tables alone: a view's columns hold nothing."""
    for item in schema.objects.values():
        if item.kind == "column" and (table := schema.objects.get(item.of)) is not None and table.kind == "table":
            yield _last(table.name), _last(item.name)


def _last(name: str) -> str:
    """Of a qualified name. The schema goes: that two of them have a table of one name is the rare case."""
    return _name(_tokens(name), 0)[0]


def _name(tokens: Tokens, at: int) -> tuple[str, int]:
    """The last part of the name that begins there, and what comes after it."""
    while at + 2 < len(tokens) and tokens[at + 1] == ".":
        at += 2
    return (tokens[at] if at < len(tokens) else ""), at + 1


def _without(tokens: Tokens, *words: str) -> Tokens:
    """Without these at the beginning."""
    at = 0
    while at < len(tokens) and tokens[at] in words:
        at += 1
    return tokens[at:]


def _clauses(tokens: Tokens) -> Iterator[Tokens]:
    """What stands between commas, those in parentheses apart."""
    depth, begin = 0, 0
    for at, word in enumerate(tokens):
        depth += (word == "(") - (word == ")")
        if word == "," and not depth:
            yield tokens[begin:at]
            begin = at + 1
    yield tokens[begin:]


def _statements(text: str) -> Iterator[Tokens]:
    tokens = _tokens(text)
    if tokens[:1] == ["create"] and _NO_STEPS & set(tokens[1:6]):
        return
    begin = 0
    for at, word in enumerate([*tokens, ";"]):
        if word == ";":
            yield tokens[begin:at]
            begin = at + 1


def _tokens(text: str) -> list[str]:
    """Names and words in small letters, without their quotes; a text as ``''``; comments left out."""
    found = []
    for part in _TOKEN.finditer(text):
        kind: Mapping[str, str | None] = part.groupdict()
        if kind["comment"] is None:
            name = (kind["quoted"] or kind["ticked"] or kind["word"] or kind["other"] or "''").replace('""', '"')
            found.append(name.lower())
    return found
