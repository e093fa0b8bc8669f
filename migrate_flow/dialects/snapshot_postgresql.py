"""The schema of a PostgreSQL database, from a handful of catalog queries, as the server itself prints it.

What is missing: owners, what is inside of operators, collations, casts and the like (only that they are there),
settings of roles and databases, and the second generation: a definition that only differs because a server has read
in what it printed is told as changed where `postgresql_text` does not know the form.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, ScalarSelect, TableClause, func, select, table
from sqlalchemy.exc import DBAPIError

from migrate_flow.core.snapshot import SchemaObject, Snapshot, attributes, dotted, snapshot_of
from migrate_flow.dialects import postgresql_catalog as catalog
from migrate_flow.dialects.postgresql_text import one_form

NORMALISER = "postgresql/1"
_SAVEPOINT = "migrate_flow_snapshot"
_NO_TRANSACTION = "25P01"
_IDLE = 0  # libpq's PQTRANS_IDLE
_AT_ONCE = 200  # tables in one statement
_KINDS = {
    "r": "table", "p": "table", "f": "foreign table", "v": "view", "m": "materialized view", "S": "sequence",
    "c": "composite type",
}  # fmt: skip
_IDENTITY = {"a": "always", "d": "by default"}
_GENERATED = {"s": "stored", "v": "virtual"}
_STORAGE = {"p": "plain", "e": "external", "m": "main", "x": "extended"}
_COMPRESSION = {"p": "pglz", "l": "lz4"}
_REPLICA_IDENTITY = {"n": "nothing", "f": "full"}
_SECURITY = {
    (False, False): "",
    (True, False): "on",
    (True, True): "on, for the owner too",
    (False, True): "off, but for the owner too",
}
_FIRING = {"D": "disabled", "R": "on a replica", "A": "always"}
_FUNCTIONS = {"p": "procedure", "a": "aggregate"}
_DEFAULTS_FOR = {"r": "tables", "S": "sequences", "f": "functions", "T": "types", "n": "schemas", "L": "large objects"}


@dataclass(slots=True)
class _Found:
    """keys: of objects by catalog, number and column; so later answers know what they are about, and that it is
    not left out. relations: by number, as qualified names."""

    objects: list[SchemaObject] = field(default_factory=list)
    keys: dict[tuple[str, int, int], str] = field(default_factory=dict)
    relations: dict[int, str] = field(default_factory=dict)
    column_order: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def add(self, item: SchemaObject, where: str, number: int, column: int = 0) -> None:
        self.objects.append(item)
        self.keys[where, number, column] = item.key


def take(connection: Connection, *, leave_out: frozenset[str] = frozenset()) -> Snapshot:
    """Fifteen statements at most. leave_out: Alembic's version tables."""
    with _settled(connection) as major:
        found = _Found()
        relations = [
            row for row in _all(connection, catalog.RELATIONS) if not {row.name, f"{row.schema}.{row.name}"} & leave_out
        ]
        columns: dict[int, list[Any]] = defaultdict(list)
        for row in _all(connection, catalog.COLUMNS):
            columns[row.relation].append(row)
        _relations(found, relations, columns)
        _sequences(found, relations)
        _types(found, _all(connection, catalog.TYPES), columns)
        _constraints_and_indexes(found, _all(connection, catalog.CONSTRAINTS), _all(connection, catalog.INDEXES))
        _functions(found, _all(connection, catalog.FUNCTIONS))
        _parts(found, _all(connection, catalog.PARTS))
        _globals(found, _all(connection, catalog.GLOBALS))
        _comments(found, _all(connection, catalog.COMMENTS))
        _grants(found, _all(connection, catalog.GRANTS))
        _default_grants(found, _all(connection, catalog.DEFAULT_GRANTS))
    return snapshot_of(found.objects, found.column_order, normaliser=NORMALISER, server_major=str(major))


def row_counts(connection: Connection, *, leave_out: frozenset[str] = frozenset()) -> dict[str, int]:
    """Exact counts of all tables but ours."""
    rows = _all(connection, catalog.TABLES)
    tables = [(schema, name) for schema, name in rows if not {name, f"{schema}.{name}"} & leave_out]
    counts: dict[str, int] = {}
    for start in range(0, len(tables), _AT_ONCE):
        some = tables[start : start + _AT_ONCE]
        queries = [_count(table(name, schema=schema)) for schema, name in some]
        row = connection.execute(select(*queries)).one()
        counts |= {dotted(*names): int(count) for names, count in zip(some, row, strict=True)}
    return counts


def _count(counted: TableClause) -> ScalarSelect[int]:
    """ONLY: the rows of a child are counted with the child."""
    return select(func.count()).select_from(counted).with_hint(counted, "ONLY", "postgresql").scalar_subquery()


@contextmanager
def _settled(connection: Connection) -> Iterator[int]:
    """The settings that definitions are printed under, gone again at the end; gives the server's major version."""
    end = [f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}", f"RELEASE SAVEPOINT {_SAVEPOINT}"]
    try:
        if _is_idle(connection):  # without an error in the server's log
            begin, end = "BEGIN", ["ROLLBACK"]
        else:
            begin = f"SAVEPOINT {_SAVEPOINT}"
        connection.exec_driver_sql(begin)
    except DBAPIError as error:
        if _NO_TRANSACTION not in (getattr(error.orig, "sqlstate", ""), getattr(error.orig, "pgcode", "")):
            raise
        connection.exec_driver_sql("BEGIN")
        end = ["ROLLBACK"]
    try:
        yield int(connection.exec_driver_sql(catalog.SETTINGS).one().major)
    finally:
        for statement in end:
            connection.exec_driver_sql(statement)


def _is_idle(connection: Connection) -> bool:
    """Whether the connection commits each statement by itself, and no transaction has been begun on it by hand. Only
    psycopg can tell."""
    driver = connection.connection.dbapi_connection
    status = getattr(getattr(driver, "info", None), "transaction_status", None)
    return getattr(driver, "autocommit", None) is True and status == _IDLE


def _all(connection: Connection, query: str) -> list[Any]:
    return list(connection.exec_driver_sql(query))


def _relations(found: _Found, rows: Sequence[Any], columns: Mapping[int, Sequence[Any]]) -> None:
    found.relations.update({row.oid: dotted(row.schema, row.name) for row in rows})
    for row in rows:
        if row.kind in "Sc":
            continue
        name, kind = found.relations[row.oid], _KINDS[row.kind]
        parents = [found.relations.get(parent, "?") for parent in row.parents or ()]
        of = f"table {parents[0]}" if row.is_partition and parents else ""
        found.add(SchemaObject(kind, name, _relation(row, parents), of), "pg_class", row.oid)
        for column in columns[row.oid]:
            item = SchemaObject("column", dotted(row.schema, row.name, column.name), _column(column), f"{kind} {name}")
            found.keys["pg_class", row.oid, column.number] = item.key
            if row.kind in "rpf" or column.default:  # what the columns of a view are is part of its definition
                found.objects.append(item)
        if row.kind in "rpf":
            found.column_order[f"{kind} {name}"] = tuple(column.name for column in columns[row.oid])


def _relation(row: Any, parents: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return attributes(
        definition=one_form(row.view),
        partition_by=one_form(row.partition_key),
        partition_of=parents[0] + " " + one_form(row.bound) if row.is_partition and parents else "",
        inherits="" if row.is_partition else ", ".join(parents),
        options=row.options,
        unlogged=row.persistence == "u",
        row_security=_SECURITY[row.row_security, row.forced],
        replica_identity=_REPLICA_IDENTITY.get(row.replica_identity) if row.kind in "rpm" else "",
        access_method="" if row.method == "heap" else row.method,
        of_type=row.of_type,
        server=row.server,
    )


def _column(row: Any) -> tuple[tuple[str, str], ...]:
    expression = one_form(row.default)
    generated = _GENERATED.get(row.generated)
    return attributes(
        type=row.type,
        not_null=row.not_null and (row.not_null_how or True),
        default="" if generated else expression,
        generated=f"{generated}: {expression}" if generated else "",
        identity=_IDENTITY.get(row.identity),
        collation=row.collation,
        storage=_STORAGE.get(row.storage),
        compression=_COMPRESSION.get(row.compression),
        statistics=row.statistics,
        options=row.options,
        foreign_options=row.foreign_options,
    )


def _sequences(found: _Found, rows: Sequence[Any]) -> None:
    for row in rows:
        if row.kind != "S":
            continue
        of = found.keys.get(("pg_class", row.owner, row.owner_column), "")
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
        if row.owner and not of:  # of a table that is left out
            continue
        found.add(SchemaObject("sequence", found.relations[row.oid], said, of), "pg_class", row.oid)


def _types(found: _Found, rows: Sequence[Any], columns: Mapping[int, Sequence[Any]]) -> None:
    for row in rows:
        name = dotted(row.schema, row.name)
        match row.kind:
            case "e":
                kind, said = "enum", attributes(labels=", ".join(map(repr, row.labels or ())))
            case "d":
                how = {"type": row.type, "default": one_form(row.default), "collation": row.collation}
                kind, said = "domain", attributes(not_null=row.not_null, **how)
            case "r":
                said = attributes(of=row.range_of, canonical=row.canonical, difference=row.subdiff)
                kind = "range type"
            case "c" if row.relation_kind == "c":
                parts = (" ".join(filter(None, [dotted(c.name), c.type, c.collation])) for c in columns[row.relation])
                kind, said = "composite type", attributes(definition=", ".join(parts))
                found.keys |= {
                    ("pg_class", row.relation, c.number): f"attribute {dotted(row.schema, row.name, c.name)}"
                    for c in columns[row.relation]
                }
            case "b":
                kind, said = "type", ()
            case _:
                continue
        found.add(SchemaObject(kind, name, said), "pg_type", row.oid)


def _constraints_and_indexes(found: _Found, constraints: Sequence[Any], indexes: Sequence[Any]) -> None:
    names = {row.oid: dotted(row.schema, row.name) for row in indexes}
    flags = {row.oid: _flags(row, names) for row in indexes}
    backing = set()
    for row in constraints:
        of = found.keys.get(("pg_class", row.relation, 0)) or found.keys.get(("pg_type", row.domain, 0))
        if of is None:
            continue
        more: dict[str, Any] = {}
        if row.kind in "pux":
            backing.add(row.index)
            more = flags.get(row.index, {})
        name = f"{of.partition(' ')[2] if row.relation == 0 else found.relations[row.relation]}.{dotted(row.name)}"
        said = attributes(definition=one_form(row.definition), **more)
        found.add(SchemaObject("constraint", name, said, of), "pg_constraint", row.oid)
    for row in indexes:
        of = found.keys.get(("pg_class", row.relation, 0))
        if of is not None and row.oid not in backing:
            said = attributes(definition=one_form(row.definition), **(flags[row.oid] | {"options": ""}))
            found.add(SchemaObject("index", names[row.oid], said, of), "pg_class", row.oid)


def _flags(row: Any, names: Mapping[int, str]) -> dict[str, Any]:
    """What an index's definition leaves out, and that of a constraint too."""
    return {
        "invalid": not row.valid,
        "replica_identity": row.identifies,
        "clustered": row.clustered,
        "options": row.options,
        "partition_of": names.get(row.parent, ""),
    }


def _functions(found: _Found, rows: Sequence[Any]) -> None:
    for row in rows:
        text = row.definition or ""
        # Of a body in quotes every character counts; one that the server has parsed is printed as a view is.
        said = text.strip() if "AS $" in text else one_form(text)
        name = f"{dotted(row.schema, row.name)}({row.arguments})"
        kind = _FUNCTIONS.get(row.kind, "function")
        found.add(SchemaObject(kind, name, attributes(definition=said)), "pg_proc", row.oid)


def _parts(found: _Found, rows: Sequence[Any]) -> None:
    for row in rows:
        of = found.keys.get(("pg_class", row.relation, 0))
        if of is not None:
            name = dotted(row.schema, row.name) if row.schema else f"{found.relations[row.relation]}.{dotted(row.name)}"
            said = attributes(definition=one_form(row.definition), fires=_FIRING.get(row.firing))
            found.add(SchemaObject(row.kind, name, said, of), row.catalog, row.oid)


def _globals(found: _Found, rows: Sequence[Any]) -> None:
    for row in rows:
        # Names of the last kinds are the server's own words, with quotes where they need them.
        name = dotted(row.name) if row.catalog in ("pg_namespace", "pg_extension", "pg_event_trigger") else row.name
        said = attributes(definition=row.definition, fires=_FIRING.get(row.firing))
        found.add(SchemaObject(row.kind, name, said), row.catalog, row.oid)


def _comments(found: _Found, rows: Sequence[Any]) -> None:
    for row in rows:
        key = found.keys.get((row.catalog, row.oid, row.number))
        if key is not None:
            found.objects.append(SchemaObject("comment", key, attributes(definition=row.text), key))


def _grants(found: _Found, rows: Sequence[Any]) -> None:
    """What each role has beyond the default, or lacks of it."""
    sides: dict[tuple[str, str], tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for row in rows:
        key = found.keys.get((row.catalog, row.oid, row.number))
        if key is not None:
            sides[key, row.grantee][row.standard].add(row.privilege)
    for (key, grantee), (has, standard) in sides.items():
        if has != standard:
            said = attributes(privileges=", ".join(sorted(has)) or "none")
            found.objects.append(SchemaObject("grant", f"to {dotted(grantee)} on {key}", said, key))


def _default_grants(found: _Found, rows: Sequence[Any]) -> None:
    granted: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        place = f" in {dotted(row.schema)}" if row.schema else ""
        kind = _DEFAULTS_FOR.get(row.kind, row.kind)
        granted[f"of {dotted(row.role)}{place} on {kind} to {dotted(row.grantee)}"].add(row.privilege)
    for name, privileges in granted.items():
        said = attributes(privileges=", ".join(sorted(privileges)))
        found.objects.append(SchemaObject("default privileges", name, said))
