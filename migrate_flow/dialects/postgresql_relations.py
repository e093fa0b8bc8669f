"""Rows of `postgresql_catalog` about relations, as objects of a snapshot: tables and views, their columns, sequences,
constraints and indexes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from migrate_flow.core.snapshot import SchemaObject, attributes, dotted
from migrate_flow.dialects.postgresql_options import plain
from migrate_flow.dialects.postgresql_text import one_form

_KINDS = {
    "r": "table", "p": "table", "f": "foreign table", "v": "view", "m": "materialized view", "S": "sequence",
    "c": "composite type",
}  # fmt: skip
_TABLES = "rpf"
_IDENTITY = {"a": "always", "d": "by default"}
_GENERATED = {"s": "stored", "v": "virtual"}
_STORAGE = {"p": "plain", "e": "external", "m": "main", "x": "extended"}
_COMPRESSION = {"p": "pglz", "l": "lz4"}
_APART_FROM_VIEW = ("default", "storage", "compression", "statistics", "options")
_REPLICA_IDENTITY = {"n": "nothing", "f": "full"}
_SECURITY = {
    (False, False): "",
    (True, False): "on",
    (True, True): "on, for the owner too",
    (False, True): "off, but for the owner too",
}
_PLACE = 3  # values of a column's row that say where it is, before those that say what it is
FIRING = {"D": "disabled", "R": "on a replica", "A": "always"}

quoted = lru_cache(maxsize=20_000)(dotted)


@dataclass(slots=True)
class Found:
    """keys: of objects by catalog, number and column; so later answers know what they are about, and that it is not
    left out. inside: of what has no object of its own, the key of the object that tells it. relations: by number, as
    qualified names."""

    objects: list[SchemaObject] = field(default_factory=list)
    keys: dict[tuple[str, int, int], str] = field(default_factory=dict)
    inside: dict[str, str] = field(default_factory=dict)
    relations: dict[int, str] = field(default_factory=dict)
    column_order: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def add(self, item: SchemaObject, where: str, number: int, column: int = 0) -> None:
        self.objects.append(item)
        self.keys[where, number, column] = item.key

    def mention(self, key: str, of: str, where: str, number: int, column: int = 0) -> None:
        """What others may speak of, and is told by `of`."""
        self.keys[where, number, column] = key
        self.inside[key] = of

    def relation(self, number: int) -> str | None:
        return self.keys.get(("pg_class", number, 0))


def relations(found: Found, rows: Sequence[Any], columns: Sequence[Any]) -> None:
    by_relation: dict[int, list[Any]] = defaultdict(list)
    for row in columns:
        by_relation[row.relation].append(row)
    found.relations.update({row.oid: dotted(row.schema, row.name) for row in rows})
    for row in rows:
        if row.kind == "S":
            continue
        name, kind = found.relations[row.oid], _KINDS[row.kind]
        if row.kind == "c":
            _composite(found, row, name, by_relation[row.oid])
            continue
        parents = [found.relations.get(parent, "?") for parent in row.parents or ()]
        of = f"table {parents[0]}" if row.is_partition and parents else ""
        found.add(SchemaObject(kind, name, _relation(row, parents), of), "pg_class", row.oid)
        _columns(found, f"{kind} {name}", row, by_relation[row.oid])
    _sequences(found, rows)


def _composite(found: Found, row: Any, name: str, columns: Sequence[Any]) -> None:
    said = ", ".join(" ".join(filter(None, [quoted(c.name), c.type, c.collation])) for c in columns)
    item = SchemaObject("composite type", name, attributes(definition=said))
    found.add(item, "pg_class", row.oid)
    for column in columns:
        found.mention(f"attribute {name}.{quoted(column.name)}", item.key, "pg_class", row.oid, column.number)


def _relation(row: Any, parents: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return attributes(
        definition=one_form(row.view),
        partition_by=one_form(row.partition_key),
        partition_of=parents[0] + " " + one_form(row.bound) if row.is_partition and parents else "",
        detach_pending=row.detaching,
        inherits="" if row.is_partition else ", ".join(parents),
        options=_options(row.options, row.toast_options),
        unlogged=row.persistence == "u",
        row_security=_SECURITY[row.row_security, row.forced],
        replica_identity=_REPLICA_IDENTITY.get(row.replica_identity) if row.kind in "rpm" else "",
        access_method="" if row.method == "heap" else row.method,
        tablespace=row.tablespace,
        of_type=row.of_type,
        server=row.server,
        foreign_options=plain(row.foreign_options),
    )


def _options(own: Iterable[str] | None, toast: Iterable[str] | None = None) -> str:
    if own is None and toast is None:
        return ""
    return ", ".join(sorted([*(own or ()), *(f"toast.{option}" for option in toast or ())]))


def _columns(found: Found, of: str, relation: Any, rows: Sequence[Any]) -> None:
    name, is_table = found.relations[relation.oid], relation.kind in _TABLES
    for row in rows:
        own = f"{name}.{quoted(row.name)}"
        said = _column(row) if is_table else _of_view(row)
        if said:
            found.objects.append(SchemaObject("column", own, said, of))
        found.keys["pg_class", row.relation, row.number] = key = f"column {own}"
        if not is_table:
            found.inside[key] = of
    if is_table:
        found.column_order[of] = tuple(row.name for row in rows)


def _column(row: Any) -> tuple[tuple[str, str], ...]:
    """Many columns are alike, and most are there again in the next snapshot of a run."""
    try:
        return _alike(row.__class__, row[_PLACE:])
    except TypeError:  # its options are a list
        return _said_of(row)


@lru_cache(maxsize=20_000)
def _alike(kind: Any, values: tuple[Any, ...]) -> tuple[tuple[str, str], ...]:
    return _said_of(kind._make((None,) * _PLACE + values))


def _said_of(row: Any) -> tuple[tuple[str, str], ...]:
    expression = one_form(row.default)
    generated = _GENERATED.get(row.generated)
    return attributes(
        type=row.type,
        not_null=row.not_null and (row.not_null_how or True),
        default="" if generated else expression,
        generated=f"{generated}: {expression}" if generated else "",
        identity=_IDENTITY.get(row.identity),
        collation=row.collation,
        foreign_options=plain(row.foreign_options),
        storage=_STORAGE.get(row.storage),
        compression=_COMPRESSION.get(row.compression),
        statistics=row.statistics,
        options=row.options and _options(option for option in row.options if option.startswith("n_distinct")),
    )


def _of_view(row: Any) -> tuple[tuple[str, str], ...]:
    """What the columns of a view are is part of its definition; how they are kept, or filled, is not."""
    return tuple(pair for pair in _column(row) if pair[0] in _APART_FROM_VIEW)


def _sequences(found: Found, rows: Sequence[Any]) -> None:
    for row in rows:
        if row.kind != "S":
            continue
        of = found.keys.get(("pg_class", row.owner, row.owner_column), "")
        if row.owner and not of:  # of a table that is left out
            continue
        said = attributes(
            type=row.type,
            start=str(row.start),
            increment=str(row.increment),
            minimum=str(row.least),
            maximum=str(row.most),
            cache=str(row.cache),
            cycle=row.cycle,
            unlogged=row.persistence == "u",
            owned_by=of.removeprefix("column "),
        )
        found.add(SchemaObject("sequence", found.relations[row.oid], said, of), "pg_class", row.oid)


def constraints_and_indexes(found: Found, constraints: Sequence[Any], indexes: Sequence[Any]) -> None:
    names = {row.oid: f"{quoted(row.schema)}.{quoted(row.name)}" for row in indexes}
    flags = {row.oid: _flags(row, names) for row in indexes}
    for row in constraints:
        of = found.relation(row.relation) or found.keys.get(("pg_type", row.domain, 0))
        if of is None:
            continue
        whole = of.partition(" ")[2] if row.relation == 0 else found.relations[row.relation]
        said = attributes(
            definition=one_form(row.definition),
            triggers=row.firing and ", ".join(sorted(FIRING[letter] for letter in row.firing)),
            **(flags.get(row.index, {}) if row.kind in "pux" else {}),
        )
        item = SchemaObject("constraint", f"{whole}.{quoted(row.name)}", said, of)
        found.add(item, "pg_constraint", row.oid)
        if row.kind in "pux":
            found.mention(f"index {names.get(row.index)}", item.key, "pg_class", row.index)
    for row in indexes:
        of = found.relation(row.relation)
        if of is not None and row.definition:
            said = attributes(definition=one_form(row.definition), **(flags[row.oid] | {"options": ""}))
            found.add(SchemaObject("index", names[row.oid], said, of), "pg_class", row.oid)


def _flags(row: Any, names: Mapping[int, str]) -> dict[str, Any]:
    """What an index's definition leaves out, and that of a constraint too."""
    return {
        "invalid": not row.valid,
        "replica_identity": row.identifies,
        "clustered": row.clustered,
        "options": _options(row.options),
        "tablespace": row.tablespace,
        "partition_of": names.get(row.parent, ""),
        "statistics": row.targets,
    }
