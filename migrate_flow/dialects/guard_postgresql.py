"""The guard of a PostgreSQL target: event triggers that record or refuse schema changes from outside the flow.

What we run ourselves carries a permit: a row that is good for one transaction (`permit`), or for a session that is in
autocommit blocks (`permit_session`). In a database without a guard these do nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from sqlalchemy import Connection, CursorResult, Row
from sqlalchemy.exc import DBAPIError

from migrate_flow.core.entry import format_time
from migrate_flow.core.guard import GuardStatus, LoggedDdl
from migrate_flow.core.redaction import redact
from migrate_flow.dialects import guard_postgresql_functions as functions
from migrate_flow.dialects import guard_postgresql_sql as sql
from migrate_flow.dialects.tables import SCHEMA
from migrate_flow.errors import BusyError, TargetError

REFUSED, FAILED = functions.REFUSED, functions.FAILED  # SQLSTATEs
Mode = Literal["audit", "block"]
_ATTEMPT = re.compile(r"[0-9A-Za-z-]{1,64}")
_NO_PRIVILEGE, _LOCKED, _READ_ONLY = "42501", "55P03", "25006"
_TRIAL = "a-trial"  # no attempt has this name


def install(connection: Connection, mode: Mode, environment: str, roles: tuple[str, ...] = ()) -> None:
    """Put the guard in place, in place of one that stands; its log stays. One transaction, committed on return.

    connection: psycopg's, with no transaction begun and not in AUTOCOMMIT. roles: who applies migrations, besides the
    owners of our schema and of our tables, and those whom an earlier guard let.
    Raises TargetError without the right to do it, BusyError while an open transaction holds its tables.
    """
    with _as_one(connection, "install", environment):
        stood = _run(connection, sql.READ_TRIGGERS).first() is not None
        for text in (*sql.DROP_TRIGGERS, f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"):
            _run(connection, text)
        appliers = {*roles, *_run(connection, sql.APPLIERS).scalars()}
        _take_tables(connection, environment, stood=stood)
        for text in (*sql.CREATE, *functions.make(mode, environment)):
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
    """What stands. A part that this role may not read is a problem like one that is missing. A permit is tried, and
    taken back."""
    enabled = {row.name for row in _run(connection, sql.READ_TRIGGERS) if row.enabled in ("O", "A")}
    readable = _readable(connection)
    setting = _run(connection, sql.READ_SETTING).first() if "guard" in readable else None
    problem = _problem(connection, readable, setting)
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
        barred="" if problem else _tried(connection),
    )


def log(connection: Connection, after_id: int = 0) -> tuple[LoggedDdl, ...]:
    """The newest rows with a higher id, a thousand at most, oldest first; none while a transaction is open that has
    logged something: its rows may have lower ids than those that can be seen. So whoever goes on from the last id
    misses nothing.

    connection: in READ COMMITTED or AUTOCOMMIT. Empty where there is no log, or none that this role may read. Whoever
    shows a row redacts its statement.
    """
    if "ddl_log" not in _readable(connection):
        return ()
    # NOTE: in this order. What has an id up to `last` had it before we asked who is still writing.
    last = _run(connection, sql.LAST_IN_LOG).scalar_one()
    if _run(connection, sql.IS_BEING_LOGGED).scalar_one():
        return ()
    rows = connection.exec_driver_sql(sql.READ_LOG, (after_id, last)).all()
    return tuple(_logged(**row._mapping) for row in reversed(rows))


def runners(connection: Connection) -> tuple[str, ...]:
    """The role of this connection, and those that may write receipts by a grant."""
    return tuple(_run(connection, sql.RUNNERS).scalars())


def permit(connection: Connection, attempt: str) -> None:
    """Let this transaction change the schema: the first thing in it. Any driver. Raises TargetError without the right
    to say so. A permit that is left over permits nothing, to nobody."""
    _let(connection, attempt, "false")


def permit_session(connection: Connection, attempt: str) -> None:
    """Let this session change the schema, from now on and when this is committed, until it ends or is released."""
    _let(connection, attempt, "true")


def release(connection: Connection, attempt: str) -> None:
    """Take back every permit of an attempt, its session's too: at the end of the transaction, or when it is settled."""
    connection.exec_driver_sql(sql.RELEASE.format(attempt=_plain(attempt)))


def permit_session_text(attempt: str) -> str:
    """What permit_session sends, for a cursor of the driver's own. It has no parameters and no per cent sign."""
    return sql.PERMIT.format(whole_session="true", attempt=_plain(attempt))


def stands(connection: Connection) -> bool:
    """Whether there is anything to ask permits of. Any role may ask."""
    return bool(_run(connection, sql.STANDS).scalar())


def no_permit(error: BaseException) -> TargetError | None:
    """What the server said to whoever can't get a permit, whatever the driver; None for any other error."""
    original = getattr(error, "orig", None) or error
    if _state(original) != functions.NO_PERMIT:
        return None
    said = getattr(original, "diag", None)
    if said is not None:
        return TargetError(redact(said.message_primary or ""), hint=said.message_hint or "")
    told = original.__cause__ or original  # asyncpg's own is behind SQLAlchemy's
    return TargetError(redact(str(told).splitlines()[0]), hint=getattr(told, "hint", None) or "")


def _let(connection: Connection, attempt: str, whole_session: str) -> None:
    try:
        connection.exec_driver_sql(sql.PERMIT.format(whole_session=whole_session, attempt=_plain(attempt)))
    except DBAPIError as error:
        if (told := no_permit(error)) is not None:
            raise told from error
        raise


def _plain(attempt: str) -> str:
    if not _ATTEMPT.fullmatch(attempt):
        raise ValueError(f"{attempt!r} is no attempt")
    return attempt


def _take_tables(connection: Connection, environment: str, *, stood: bool) -> None:
    """Of an earlier guard's, those that another superuser owns. What anybody else owns may be a trap."""
    extras = {row.name: row.what for row in reversed(_run(connection, sql.READ_EXTRAS).all())}
    for row in _run(connection, sql.READ_TABLES).all():
        table = f"{SCHEMA}.{row.name}"
        # In mode block the guard refuses what a hint would name.
        first = f"migrate-flow guard remove --env {environment} -m WHY; then" if stood else "as a superuser"
        hint = f"save its rows if they matter; {first}: DROP TABLE {table} CASCADE"
        why = ""
        if row.columns != sql.TABLES[row.name]:
            why = "has other columns than the guard gives it"
        elif row.name in extras:
            why = f"has {extras[row.name]}, which the guard does not give it"
        elif not row.trusted:
            why = f"belongs to {row.owner}, who could run code as you with it"
            owner = _quoted(connection, _run(connection, "SELECT current_user::text").scalar_one())
            hint = f"{first}: ALTER TABLE {table} OWNER TO {owner}"
        if why:
            raise TargetError(f"{table} is there already and {why}", hint=hint, where=environment)
        if not row.own:
            _run(connection, f"ALTER TABLE {table} OWNER TO CURRENT_USER")


def _problem(connection: Connection, readable: set[str], setting: Row[Any] | None) -> str:
    """What the catalog shows to be wrong, the worst first; empty if nothing is. setting: the row of the guard's own
    table."""
    found = {row.name: row for row in _run(connection, sql.READ_TRIGGERS)}
    if not found:
        return "its event triggers are missing; a restore by a role that is no superuser loses them"
    for name, event in sql.TRIGGERS.items():
        if name not in found or found[name].event != event or not found[name].calls_ours:
            return f"the event trigger {name} is missing or not ours"
        if found[name].enabled != "A":
            return f"the event trigger {name} is not ENABLE ALWAYS"
    if setting is not None and setting.version != sql.VERSION:
        return f"it was installed by another version of migrate-flow (guard {setting.version}, here {sql.VERSION})"
    stranger = _run(connection, sql.READ_STRANGERS).first()
    if stranger is not None:
        return f"{stranger.what} belongs to {stranger.owner}, who could run code as the guard's owner with it"
    if lacking := set(sql.TABLES) - readable:
        return f"{SCHEMA}.{min(lacking)} is missing or changed, or this role may not read it"
    if setting is None:
        return f"{SCHEMA}.guard is empty"
    return _deep_problem(connection, setting)


def _deep_problem(connection: Connection, setting: Row[Any]) -> str:
    """Of a guard whose parts are all there."""
    expected = {
        functions.FUNCTION: functions.source(setting.mode, setting.environment),
        functions.LET: functions.LET_SOURCE,
    }
    made = {row.name: tuple(row)[1:] for row in _run(connection, sql.READ_FUNCTIONS)}
    for name, source in expected.items():
        if made.get(name) != (source, True, list(functions.SETTINGS), "plpgsql", "v"):
            wanted = f" in mode {setting.mode} for {setting.environment}" if name == functions.FUNCTION else ""
            return f"the function {SCHEMA}.{name} is not as this version of migrate-flow writes it{wanted}"
    if extra := _run(connection, sql.READ_EXTRAS).first():
        return f"{SCHEMA}.{extra.name} has {extra.what}, which the guard does not give it"
    if grant := _run(connection, sql.READ_GRANTS).first():
        return f"{grant.grantee} has {grant.privilege} on {grant.what}, which the guard gives to nobody"
    if blind := _run(connection, sql.READ_BLIND).first():
        return (
            f"it belongs to {blind.owner}, who is no superuser and may not see when sessions of {blind.role} began, so "
            f"no permit of theirs counts; as a superuser: GRANT pg_read_all_stats TO "
            f"{_quoted(connection, blind.owner)}"
        )
    if _run(connection, sql.IS_SWITCHED_OFF).scalar():
        return "this session has event_triggers = off"
    return ""


def _tried(connection: Connection) -> str:
    """Why this role can't get a permit, empty if it can. Nothing of it stays."""
    trial = connection.begin_nested()
    try:
        permit(connection, _TRIAL)
    except TargetError as error:
        return f"{error.message}; {error.hint}"
    except DBAPIError as error:
        if _state(error) == _READ_ONLY:
            return ""  # a look at what can't be changed anyway
        return f"no permit can be written: {_said(error)}"
    finally:
        trial.rollback()
    return ""


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


def _state(error: BaseException) -> str:
    """SQLSTATE, as psycopg and asyncpg call it, or as psycopg2 does."""
    original = getattr(error, "orig", None) or error
    return getattr(original, "sqlstate", None) or getattr(original, "pgcode", None) or ""


def _said(error: DBAPIError) -> str:
    return redact(str(error.orig).splitlines()[0])


def _logged(**row: Any) -> LoggedDdl:
    return LoggedDdl(**row | {"at": format_time(row["at"]), "objects": tuple(row["objects"])})
