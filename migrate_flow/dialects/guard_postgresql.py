"""The guard of a PostgreSQL target: event triggers that record or refuse schema changes from outside the flow.

What we run ourselves carries a permit: a row that is good for one transaction (`permit`), or for a session that is in
autocommit blocks (`permit_session`). In a database without a guard these do nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from sqlalchemy import Connection, CursorResult
from sqlalchemy.exc import DBAPIError

from migrate_flow.core.entry import format_time
from migrate_flow.core.guard import GuardStatus, LoggedDdl
from migrate_flow.core.redaction import redact
from migrate_flow.dialects import guard_postgresql_sql as sql
from migrate_flow.dialects.tables import SCHEMA
from migrate_flow.errors import BusyError, TargetError

REFUSED, FAILED = sql.REFUSED, sql.FAILED  # SQLSTATEs
Mode = Literal["audit", "block"]
_ATTEMPT = re.compile(r"[0-9A-Za-z-]{1,64}")
_NO_PRIVILEGE, _IS_NULL, _LOCKED = "42501", "23502", "55P03"


def install(connection: Connection, mode: Mode, environment: str, roles: tuple[str, ...] = ()) -> None:
    """Put the guard in place, in place of one that stands; its log stays. One transaction, committed on return.

    connection: psycopg's, with no transaction begun and not in AUTOCOMMIT. roles: who applies migrations, besides the
    owners of our schema and of our tables, and those whom an earlier guard let.
    Raises TargetError without the right to do it, BusyError while an open transaction holds its tables.
    """
    with _as_one(connection, "install", environment):
        for text in (*sql.DROP_TRIGGERS, f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"):
            _run(connection, text)
        appliers = {*roles, *_run(connection, sql.APPLIERS).scalars()}
        _take_tables(connection, environment)
        for text in sql.CREATE:
            _run(connection, text)
        for text in _run(connection, sql.REVOCATIONS).scalars().all():
            _run(connection, text)
        for role in sorted(appliers):
            for text in sql.GRANT:
                _run(connection, text.format(role=_quoted(connection, role)))
        _run(connection, sql.SETTING[0])
        connection.exec_driver_sql(sql.SETTING[1], (mode, environment))
        for text in sql.CREATE_TRIGGERS:
            _run(connection, text)


def remove(connection: Connection, environment: str) -> None:
    """Take the guard away, and give the schema back to who migrates. The log stays. In all else as install."""
    with _as_one(connection, "remove", environment):
        for text in (*sql.DROP_TRIGGERS, *sql.DROP):
            _run(connection, text)
        owner = _run(connection, sql.MIGRATES).scalar()
        if owner is not None:
            _run(connection, sql.GIVE_SCHEMA.format(role=_quoted(connection, owner)))


def status(connection: Connection) -> GuardStatus:
    """What stands. A part that this role may not read is a problem like one that is missing."""
    enabled = {row.name for row in _run(connection, sql.READ_TRIGGERS) if row.enabled in ("O", "A")}
    readable = _readable(connection)
    setting = _run(connection, sql.READ_SETTING).first() if "guard" in readable else None
    problem = _problem(connection, readable, setting.version if setting else 0)
    count = _run(connection, sql.COUNT_LOG).one() if "ddl_log" in readable else None
    return GuardStatus(
        installed=bool(enabled),
        complete=not problem,
        mode=setting.mode if setting else "",
        environment=setting.environment if setting else "",
        version=setting.version if setting else 0,
        problem=problem,
        logged=count.logged if count else 0,
        newest=count.newest if count else 0,
        newest_at=format_time(count.newest_at) if count and count.newest_at else "",
    )


def log(connection: Connection, after_id: int = 0) -> tuple[LoggedDdl, ...]:
    """Rows with a higher id, oldest first; none while a transaction is open that has logged something: its rows may
    have lower ids than those that can be seen. So whoever goes on from the last id misses nothing.

    connection: in READ COMMITTED or AUTOCOMMIT. Empty where there is no log, or none that this role may read.
    """
    if "ddl_log" not in _readable(connection):
        return ()
    # NOTE: in this order. What has an id up to `last` had it before we asked who is still writing.
    last = _run(connection, sql.LAST_IN_LOG).scalar_one()
    if _run(connection, sql.IS_BEING_LOGGED).scalar_one():
        return ()
    rows = connection.exec_driver_sql(sql.READ_LOG, (after_id, last))
    return tuple(_logged(**row._mapping) for row in rows)


def runners(connection: Connection) -> tuple[str, ...]:
    """The role of this connection, and those that may write receipts by a grant."""
    return tuple(_run(connection, sql.RUNNERS).scalars())


def permit(connection: Connection, attempt: str) -> None:
    """Let this transaction change the schema: the first thing in it. Any driver. Raises TargetError without the right
    to say so. A permit that is left over permits nothing, to nobody."""
    _let(connection, attempt, "pg_catalog.pg_current_xact_id()")


def permit_session(connection: Connection, attempt: str) -> None:
    """Let this session change the schema, from now on and when this is committed, until it ends or is released."""
    _let(connection, attempt, "NULL")


def release(connection: Connection, attempt: str) -> None:
    """Take back every permit of an attempt, its session's too: at the end of the transaction, or when it is settled."""
    connection.exec_driver_sql(sql.RELEASE.format(attempt=_plain(attempt)))


def permit_session_text(attempt: str) -> str:
    """What permit_session sends, for a cursor of the driver's own. It has no parameters and no per cent sign."""
    return sql.PERMIT.format(xid="NULL", attempt=_plain(attempt))


def _let(connection: Connection, attempt: str, xid: str) -> None:
    try:
        connection.exec_driver_sql(sql.PERMIT.format(xid=xid, attempt=_plain(attempt)))
    except DBAPIError as error:
        # After a SET ROLE the server does not say when the session of another role began.
        if _state(error) in (_NO_PRIVILEGE, _IS_NULL):
            raise TargetError(
                f"the role that migrates may not write {SCHEMA}.permit, so the guard would take it for a stranger",
                hint="migrate-flow guard install --env ENV",
            ) from error
        raise


def _plain(attempt: str) -> str:
    if not _ATTEMPT.fullmatch(attempt):
        raise ValueError(f"{attempt!r} is no attempt")
    return attempt


def _take_tables(connection: Connection, environment: str) -> None:
    """Of an earlier guard's, those that another superuser owns. What anybody else owns may be a trap."""
    for row in _run(connection, sql.READ_TABLES).all():
        why = "" if row.trusted else f"belongs to {row.owner}, who could run code as you with it"
        if why or row.columns != sql.TABLES[row.name]:
            raise TargetError(
                f"{SCHEMA}.{row.name} is there already and {why or 'has other columns than the guard gives it'}",
                hint=f"save its rows if they matter, then: DROP TABLE {SCHEMA}.{row.name} CASCADE",
                where=environment,
            )
        if not row.own:
            _run(connection, f"ALTER TABLE {SCHEMA}.{row.name} OWNER TO CURRENT_USER")


def _problem(connection: Connection, readable: set[str], version: int) -> str:
    """What the catalog shows to be wrong, the worst first; empty if nothing is. version: 0 where none is told."""
    found = {row.name: row for row in _run(connection, sql.READ_TRIGGERS)}
    if not found:
        return "its event triggers are missing; a restore by a role that is no superuser loses them"
    for name, event in sql.TRIGGERS.items():
        if name not in found or found[name].event != event or not found[name].calls_ours:
            return f"the event trigger {name} is missing or not ours"
        if found[name].enabled != "A":
            return f"the event trigger {name} is not ENABLE ALWAYS"
    if version not in (0, sql.VERSION):
        return f"it was installed by another version of migrate-flow (guard {version}, here {sql.VERSION})"
    function = _run(connection, sql.READ_FUNCTION).first()
    if function is None or tuple(function) != (sql.SOURCE, True, list(sql.SETTINGS), "plpgsql"):
        return f"the function {SCHEMA}.{sql.FUNCTION} is not as this version of migrate-flow writes it"
    stranger = _run(connection, sql.READ_STRANGERS).first()
    if stranger is not None:
        return f"{stranger.what} belongs to {stranger.owner}, who could run code as the guard's owner with it"
    if lacking := set(sql.TABLES) - readable:
        return f"{SCHEMA}.{min(lacking)} is missing or changed, or this role may not read it"
    if not version:
        return f"{SCHEMA}.guard is empty"
    return "this session has event_triggers = off" if _run(connection, sql.IS_SWITCHED_OFF).scalar() else ""


def _readable(connection: Connection) -> set[str]:
    """The tables that are there, are ours by their columns, and may be read by this role."""
    rows = _run(connection, sql.READ_TABLES)
    return {row.name for row in rows if row.readable and row.columns == sql.TABLES[row.name]}


@contextmanager
def _as_one(connection: Connection, verb: str, environment: str) -> Iterator[None]:
    """One transaction for what the block does, and the server's refusals in our words."""
    role = ""
    try:
        with connection.begin():
            role = _run(connection, "SELECT current_user::text").scalar_one()
            yield
    except DBAPIError as error:
        if _state(error) == _NO_PRIVILEGE:
            name, command = _quoted(connection, role), f"migrate-flow guard {verb} --env {environment}"
            raise TargetError(
                f"to {verb} the guard takes a superuser, and {role} is none: {_said(error)}",
                hint=f"as a superuser: ALTER ROLE {name} SUPERUSER; then: {command}; then: ALTER ROLE {name} "
                f"NOSUPERUSER. On a managed server: GRANT its own superuser role, such as rds_superuser, TO {name}",
                where=environment,
            ) from error
        if _state(error) == _LOCKED:
            raise BusyError(
                f"an open transaction with a schema change in it holds the guard's tables: {_said(error)}",
                hint="wait for it, then run the command again",
                where=environment,
            ) from error
        raise


def _run(connection: Connection, text: str) -> CursorResult[Any]:
    # Without parameters, a per cent sign is one.
    return connection.exec_driver_sql(text, execution_options={"no_parameters": True})


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote_identifier(name)


def _state(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None) or ""


def _said(error: DBAPIError) -> str:
    return redact(str(error.orig).splitlines()[0])


def _logged(**row: Any) -> LoggedDdl:
    told = {"at": format_time(row["at"]), "objects": tuple(row["objects"]), "statement": redact(row["statement"])}
    return LoggedDdl(**row | told)
