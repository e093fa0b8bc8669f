"""The schema of a PostgreSQL database, from a handful of catalog queries, as the server itself prints it.

docs/reference/snapshot-postgresql.md says what is read and what is not. Two snapshots of one schema are equal for
every role that takes them, before and after a dump and its restore.
"""

from __future__ import annotations

import gc
import hashlib
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

from sqlalchemy import Connection, ScalarSelect, TableClause, func, select, table
from sqlalchemy.exc import DBAPIError

from migrate_flow.core.snapshot import Snapshot, dotted, snapshot_of
from migrate_flow.dialects import postgresql_catalog as catalog
from migrate_flow.dialects import postgresql_others as others
from migrate_flow.dialects.postgresql_catalog_globals import globals_of
from migrate_flow.dialects.postgresql_catalog_grants import GRANTS
from migrate_flow.dialects.postgresql_relations import Found, constraints_and_indexes, relations

NORMALISER = "postgresql/1"
_SAVEPOINT = "migrate_flow_snapshot"
_READING = "ISOLATION LEVEL REPEATABLE READ, READ ONLY"  # one state of the catalogs for all queries
_NO_TRANSACTION = "25P01"
_GONE = "XX000"  # could not open a relation, cache lookup failed
_ATTEMPTS = 5
_IDLE = 0  # libpq's PQTRANS_IDLE
_AT_ONCE = 200  # tables in one statement


def take(connection: Connection, *, leave_out: frozenset[str] = frozenset(), rows: bool = False) -> Snapshot:
    """Fifteen statements at most, again if something that they were about to print is dropped meanwhile. leave_out:
    Alembic's version tables. rows: with the digest that `rows` makes."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return _taken(connection, leave_out, rows)
        except DBAPIError as error:
            if _GONE not in _states(error):
                raise
    return _taken(connection, leave_out, rows)


def rows(connection: Connection, *, leave_out: frozenset[str] = frozenset()) -> str:
    """A digest of all that a snapshot is made from, made by the server: what a snapshot says is made of these rows
    alone, so equal digests are equal schemas. Unequal ones may be equal schemas too: the numbers of objects are among
    the rows. Empty where something was dropped meanwhile."""
    try:
        with _settled(connection) as major:
            return _digest(connection, major, leave_out)
    except DBAPIError as error:
        if _GONE not in _states(error):
            raise
        return ""


def _digest(connection: Connection, major: int, leave_out: frozenset[str]) -> str:
    query = " UNION ALL ".join(
        f"SELECT {n} AS n, encode(sha256(textsend(coalesce(string_agg(t::text, E'\\n'), ''))), 'hex') FROM ({one}) t"  # noqa: S608 all written here
        for n, one in enumerate(_queries(major))
    )
    found = connection.exec_driver_sql(f"{query} ORDER BY 1").all()
    return _together([digest for _, digest in found], major, leave_out)


def _together(digests: Iterable[str], major: int, leave_out: frozenset[str]) -> str:
    said = [NORMALISER, str(major), *sorted(leave_out), *digests]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


def _queries(major: int) -> tuple[str, ...]:
    """Everything that is read."""
    return (
        catalog.RELATIONS,
        catalog.COLUMNS,
        catalog.TYPES,
        catalog.CONSTRAINTS,
        catalog.INDEXES,
        catalog.FUNCTIONS,
        catalog.PARTS,
        globals_of(major),
        catalog.COMMENTS,
        GRANTS,
    )


def _taken(connection: Connection, leave_out: frozenset[str], with_rows: bool) -> Snapshot:
    with _settled(connection) as major, _no_collection():
        digests: list[str] = []
        read = (_read(connection, query, digests if with_rows else None) for query in _queries(major))
        found = Found()
        kept = [row for row in next(read) if not {row.name, f"{row.schema}.{row.name}"} & leave_out]
        relations(found, kept, next(read))
        others.types(found, next(read))
        constraints_and_indexes(found, next(read), next(read))
        for take_in in (others.functions, others.parts, others.globals_, others.comments, others.grants):
            take_in(found, next(read))
        digest = _together(digests, major, leave_out) if with_rows else ""
        return snapshot_of(
            found.objects, found.column_order, normaliser=NORMALISER, server_major=str(major), rows=digest
        )


def row_counts(connection: Connection, *, leave_out: frozenset[str] = frozenset()) -> dict[str, int]:
    """Exact counts of all tables but ours."""
    rows = _read(connection, catalog.TABLES, None)
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
    """The settings that definitions are printed under, gone again at the end; gives the server's major version.

    NOTE: it ends with COMMIT where it can, as psycopg forgets what it prepared after each ROLLBACK: of a run's many
    snapshots the planning of these statements was a third of the server's time."""
    end = _begin(connection)
    try:
        yield int(connection.exec_driver_sql(catalog.SETTINGS).one().major)
    finally:
        end()


def _begin(connection: Connection) -> Callable[[], None]:
    """A transaction for reading, or where there is one a savepoint in it; gives what ends it."""
    driver = connection.connection.dbapi_connection
    idle = getattr(getattr(driver, "info", None), "transaction_status", _IDLE) == _IDLE
    if idle and getattr(driver, "autocommit", None) is False and not connection.in_transaction():
        connection.exec_driver_sql(f"SET TRANSACTION {_READING}")
        return connection.commit
    begin, end = f"SAVEPOINT {_SAVEPOINT}", [f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}", f"RELEASE SAVEPOINT {_SAVEPOINT}"]
    if _is_idle(driver):  # without an error in the server's log
        begin, end = f"BEGIN {_READING}", ["COMMIT"]
    try:
        connection.exec_driver_sql(begin)
    except DBAPIError as error:
        if _NO_TRANSACTION not in _states(error):
            raise
        connection.exec_driver_sql(f"BEGIN {_READING}")
        end = ["COMMIT"]
    return partial(_run, connection, end)


def _run(connection: Connection, statements: Sequence[str]) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)


def _states(error: DBAPIError) -> tuple[str, str]:
    """The server's code, under the names that drivers have for it."""
    return getattr(error.orig, "sqlstate", ""), getattr(error.orig, "pgcode", "")


@contextmanager
def _no_collection() -> Iterator[None]:
    """Next to all that is made meanwhile stays: looking through it for garbage takes a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _is_idle(driver: Any) -> bool:
    """Whether the connection commits each statement by itself, and no transaction has been begun on it by hand. Only
    psycopg can tell."""
    status = getattr(getattr(driver, "info", None), "transaction_status", None)
    return getattr(driver, "autocommit", None) is True and status == _IDLE


def _read(connection: Connection, query: str, digests: list[str] | None) -> list[Any]:
    """The rows. digests: where the one of these rows goes, as `_digest` has the server make it. Of the very rows that
    are read: another look a moment later might see others."""
    if digests is None:
        result = connection.exec_driver_sql(query)
        return list(map(_row(tuple(result.keys()))._make, result.all()))
    with_text = f"SELECT t.*, t::text AS as_text FROM ({query}) t"  # noqa: S608 all written here
    result = connection.exec_driver_sql(with_text)
    *names, _ = result.keys()
    found = result.all()
    digests.append(hashlib.sha256("\n".join([row[-1] for row in found]).encode()).hexdigest())
    make = _row(tuple(names))._make
    return [make(row[:-1]) for row in found]


@cache
def _row(names: tuple[str, ...]) -> Any:
    """Names that are ten times as fast to look up as those of SQLAlchemy's rows."""
    return namedtuple("Row", names)
