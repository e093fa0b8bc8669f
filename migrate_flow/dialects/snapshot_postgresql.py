"""The schema of a PostgreSQL database, from a handful of catalog queries, as the server itself prints it.

docs/reference/snapshot-postgresql.md says what is read and what is not. Two snapshots of one schema are equal for
every role that takes them, before and after a dump and its restore.
"""

from __future__ import annotations

import gc
import hashlib
import logging
import sys
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
_ATTEMPTS = 20  # of a database in which a view comes and goes every hundredth of a second one in three fails
_IDLE = 0  # libpq's PQTRANS_IDLE
_AT_ONCE = 200  # tables in one statement
_Answer = tuple[tuple[str, ...], Sequence[Any]]  # names of the columns, and the rows


def take(connection: Connection, *, leave_out: frozenset[str] = frozenset(), rows: bool = False) -> Snapshot:
    """Its queries are sent at once; one by one, and again, if something that they were about to print is dropped
    meanwhile. leave_out: Alembic's version tables. rows: with the digest that `rows` makes."""
    for attempt in range(1, _ATTEMPTS):
        try:
            return _taken(connection, leave_out, rows, at_once=attempt == 1)
        except DBAPIError as error:
            if _GONE not in _states(error):
                raise
    return _taken(connection, leave_out, rows, at_once=False)


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
        for n, one in enumerate(queries(major))
    )
    found = connection.exec_driver_sql(f"{query} ORDER BY 1").all()
    return _together([digest for _, digest in found], major, leave_out)


def _together(digests: Iterable[str], major: int, leave_out: frozenset[str]) -> str:
    said = [NORMALISER, str(major), *sorted(leave_out), *digests]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


def queries(major: int) -> tuple[str, ...]:
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


def _taken(connection: Connection, leave_out: frozenset[str], with_rows: bool, *, at_once: bool) -> Snapshot:
    digests: list[str] = []
    with (
        _settled(connection) as major,
        _no_collection(),
        _answers(connection, queries(major), as_text=with_rows, at_once=at_once) as answers,
    ):
        read = (_rows(*answer, digests if with_rows else None) for answer in answers)
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
    rows = connection.exec_driver_sql(catalog.TABLES).all()
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


@contextmanager
def _answers(
    connection: Connection, queries: Sequence[str], *, as_text: bool, at_once: bool
) -> Iterator[Iterator[_Answer]]:
    """The answer to each query, in order. as_text: the last column is the whole row as a text. at_once: send them so,
    where the driver can.

    On a server that is far away the way takes longer than the answers, and of one that is near the next is worked on
    while the one before is taken in. But from the begin of the transaction to the first answer it takes longer, and
    what is dropped in between can't be printed."""
    queries = [f"SELECT t.*, t::text AS as_text FROM ({query}) t" if as_text else query for query in queries]  # noqa: S608 all written here
    driver: Any = connection.connection.driver_connection
    if at_once and _has_pipeline(driver):
        with _unlogged("psycopg"), driver.pipeline():
            yield _sent(driver, queries)
    else:
        yield (_asked(connection, query) for query in queries)


def _has_pipeline(driver: Any) -> bool:
    """psycopg's own connection, not its asynchronous one."""
    psycopg = sys.modules.get("psycopg")
    return psycopg is not None and isinstance(driver, psycopg.Connection) and psycopg.Pipeline.is_supported()


@contextmanager
def _unlogged(name: str) -> Iterator[None]:
    """Where an error ends a pipeline, psycopg logs what it can't raise besides: with server and user, to the
    terminal."""
    logger = logging.getLogger(name)
    was = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = was


def _asked(connection: Connection, query: str) -> _Answer:
    result = connection.exec_driver_sql(query)
    return tuple(result.keys()), result.all()


def _sent(driver: Any, queries: Sequence[str]) -> Iterator[_Answer]:
    """Raises DBAPIError, as SQLAlchemy would."""
    try:
        for cursor in [driver.execute(query) for query in queries]:
            rows = cursor.fetchall()
            yield tuple(column.name for column in cursor.description), rows
    except driver.Error as error:
        raise DBAPIError(None, None, error) from error


def _rows(names: tuple[str, ...], found: Sequence[Any], digests: list[str] | None) -> list[Any]:
    """digests: where the one of these rows goes, as `_digest` has the server make it. Of the very rows that are read:
    another look a moment later might see others."""
    if digests is None:
        return list(map(_row(names)._make, found))
    digests.append(hashlib.sha256("\n".join([row[-1] for row in found]).encode()).hexdigest())
    make = _row(names[:-1])._make
    return [make(row[:-1]) for row in found]


@cache
def _row(names: tuple[str, ...]) -> Any:
    """Names that are ten times as fast to look up as those of SQLAlchemy's rows."""
    return namedtuple("Row", names)
