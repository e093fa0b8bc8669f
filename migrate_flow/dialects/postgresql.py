"""PostgreSQL: transactional DDL, a schema of our own, advisory locks, autocommit blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, create_engine, pool
from sqlalchemy.exc import DBAPIError, NoSuchModuleError

from migrate_flow.dialects import guard_postgresql, snapshot_postgresql
from migrate_flow.dialects import postgresql_locks as locks
from migrate_flow.dialects.dialect import BRIEF_S, Begun, Guard, StepFrame, mentioned
from migrate_flow.dialects.engines import settled_in
from migrate_flow.dialects.interrupt import at_signals
from migrate_flow.dialects.tables import SCHEMA, TargetTables
from migrate_flow.errors import TargetError, UnsettledError, UsageError

if TYPE_CHECKING:
    from migrate_flow.core.facts import Activity
    from migrate_flow.core.snapshot import Snapshot

CONNECT_TIMEOUT_S = 10
_POOLER = (
    "a connection pooler (PgBouncer or the like) stands before the server: locks that belong to a session lie there"
)
# lock_not_available, deadlock_detected, serialization_failure
_PASSING = frozenset({"55P03", "40P01", "40001"})
_FOREIGN_TABLES = """
SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('information_schema', 'migrate_flow')
  AND n.nspname !~ '^pg_' AND NOT EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1 LIMIT 4"""
_BY_PARTS = re.compile(r"\A\s*(?:call|cluster|do|reindex|select|vacuum|with)\b|;\s*\S", re.I)
_INVALID = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
_INVALID_ONES = "ARRAY(SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid)"
_ESTIMATES = """
SELECT name, c.reltuples::bigint FROM unnest(CAST(%s AS text[])) AS name JOIN pg_class c ON c.oid = to_regclass(name)
WHERE c.reltuples >= 0"""
_XID = "pg_current_xact_id()::text"
# Beside something that is asked anyway: where no guard stands, it costs no round trip. Not to_regclass, which a role
# without the right to use the schema may not ask.
_GUARDED = f"""
EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = '{SCHEMA}' AND c.relname = 'permit')"""
_NO_PERMIT_IS_LEFT = f"""DO $permits$ BEGIN
IF {_GUARDED} THEN
  DELETE FROM {SCHEMA}.permit;
END IF; END $permits$"""  # noqa: S608 - all of it is written here


@dataclass(frozen=True, slots=True)
class Postgresql:
    """PostgreSQL through psycopg; env.py may use another driver."""

    name: str
    tables: TargetTables
    context_options: dict[str, Any]
    journals: bool = False
    costly: bool = True
    blocks: bool = True
    guard: Guard = guard_postgresql

    def migration_url(self, url: URL, root: Path) -> URL:
        return url

    def engine(self, url: URL, root: Path, application: str) -> Engine | None:
        return self.creating_engine(url, root, application)

    def creating_engine(self, url: URL, root: Path, application: str) -> Engine:
        try:
            return create_engine(
                url.set(drivername="postgresql+psycopg"),
                hide_parameters=True,
                use_native_hstore=False,  # we read none; to find out whether there is the type takes three round trips
                poolclass=pool.NullPool,
                connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "application_name": application[:63]},
            )
        except (ImportError, NoSuchModuleError):
            raise UsageError(
                "the PostgreSQL driver psycopg is not installed", hint="pip install 'migrate-flow[postgresql]'"
            ) from None

    def observed_name(self, connection: Connection) -> str:
        return connection.dialect.name

    def server(self, connection: Connection) -> str:
        info: Any = getattr(connection.connection.driver_connection, "info", None)
        told = info.parameter_status("server_version") if hasattr(info, "parameter_status") else None  # psycopg's
        return f"PostgreSQL {told or connection.exec_driver_sql('SHOW server_version').scalar()}"

    def obstacle(self, connection: Connection) -> str:
        replica, read_only, pid = connection.exec_driver_sql(
            "SELECT pg_is_in_recovery(), current_setting('transaction_read_only'), pg_backend_pid()"
        ).one()
        if replica:
            return "the server is a replica"
        told = locks.handshake_pid(connection.connection.driver_connection)
        if told is not None and told != pid:
            return _POOLER
        return "the database is read-only" if read_only == "on" else ""

    def foreign_tables(self, connection: Connection) -> tuple[str, ...]:
        rows = connection.exec_driver_sql(_FOREIGN_TABLES)
        return tuple(row[0].removeprefix("public.") for row in rows)

    def snapshot(
        self, connection: Connection, leave_out: frozenset[str] = frozenset(), *, rows: bool = False
    ) -> Snapshot:
        return snapshot_postgresql.take(connection, leave_out=leave_out, rows=rows)

    def rows(self, connection: Connection, leave_out: frozenset[str] = frozenset()) -> str:
        return snapshot_postgresql.rows(connection, leave_out=leave_out)

    def row_counts(self, connection: Connection, leave_out: frozenset[str] = frozenset()) -> dict[str, int]:
        return snapshot_postgresql.row_counts(connection, leave_out=leave_out)

    def row_estimates(self, connection: Connection, relations: Sequence[str]) -> dict[str, int]:
        rows = connection.exec_driver_sql(_ESTIMATES, (list(relations),))
        return {name: int(count) for name, count in rows}

    def be_brief(self, connection: Connection) -> None:
        connection.exec_driver_sql(f"SET lock_timeout = '{BRIEF_S}s'")
        connection.commit()

    def prepare(self, connection: Connection) -> None:
        connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")

    @contextmanager
    def lock(
        self, url: URL, root: Path, application: str, *, engine: Engine | None = None, end_orphans: bool = False
    ) -> Iterator[object]:
        engine = engine or self.creating_engine(url, root, application)
        with engine.connect() as connection:
            self.watch(connection)
            held = locks.take(connection, str(url.database), end_orphans=end_orphans)
            # Nothing of an earlier run is left in the server, so whatever permit is there was left behind. It lets
            # nobody do anything; a role that may not delete it is told so where it needs one.
            with suppress(DBAPIError):
                connection.exec_driver_sql(_NO_PERMIT_IS_LEFT)
            yield held

    def holds(self, connection: Connection, held: object) -> bool:
        return isinstance(held, int) and locks.holds(connection, held)

    def activity(self, connection: Connection) -> tuple[Activity, ...]:
        return locks.activity(connection)

    @contextmanager
    def while_env_runs(self, frame: StepFrame | None) -> Iterator[None]:
        deaf: list[Any] = []

        def settle_in(connection: Connection) -> None:
            if connection.dialect.driver == "psycopg2":
                deaf.append(connection.connection.driver_connection)
            _settle_in(connection, frame)

        def cancel() -> None:
            for driver_connection in deaf:
                with suppress(Exception):  # closed meanwhile; its class belongs to a driver that may not be installed
                    driver_connection.cancel()

        # psycopg2 waits in C, where a signal is not heard before the statement has ended.
        with settled_in(("postgresql",), settle_in), at_signals(cancel):
            yield

    def begin_step(self, connection: Connection, frame: StepFrame) -> Begun:
        asked = f"SELECT pg_backend_pid(), {_GUARDED}, {_INVALID_ONES}"
        pid, guarded, invalid = connection.exec_driver_sql(asked).one()
        memory = {"invalid": frozenset(invalid), "indexed": []}
        begun = Begun(frame, process=str(pid), memory=memory, guarded=guarded)
        self.begin_segment(connection, begun)
        return begun

    def begin_segment(self, connection: Connection, begun: Begun) -> None:
        # env.py may have set others: again, and for the session, because LOCAL ones end with an autocommit block.
        # In one round trip, as everything here: between two regions each takes longer than all that it asks.
        asked = f"{_settings(begun.frame)}, pg_try_advisory_xact_lock({locks.SPACE}, {locks.STEP}), {_XID}"
        *_, locked, transaction = connection.exec_driver_sql(asked).one()
        if not locked:
            raise TargetError("another migration works on this database", hint="run the command again")
        begun.transaction = str(transaction)
        if begun.guarded:
            # In place of the session's: of _settle_in, or of the block that ended.
            guard_postgresql.release(connection, begun.frame.attempt)
            guard_postgresql.permit(connection, begun.frame.attempt)

    def enter_block(self, connection: Connection, begun: Begun) -> None:
        if begun.guarded:
            guard_postgresql.release(connection, begun.frame.attempt)
            guard_postgresql.permit_session(connection, begun.frame.attempt)

    def end_segment(self, connection: Connection, begun: Begun) -> None:
        self._end_segment(connection, begun)

    def _end_segment(self, connection: Connection, begun: Begun, more: str = "NULL") -> Any:
        """As end_segment. more: what is asked at the same time; gives the answer."""
        held = locks.held_by_pid(begun.frame.held) if isinstance(begun.frame.held, int) else "false"
        transaction, holds, answer = connection.exec_driver_sql(f"SELECT {_XID}, {held}, {more}").one()
        if str(transaction) != begun.transaction:
            raise UnsettledError(
                "the script ended the transaction by itself", hint="remove COMMIT or ROLLBACK from the script"
            )
        if not holds:
            raise TargetError("the lock on the target was lost, so nothing was committed", hint="run it again")
        return answer

    def end_step(self, connection: Connection, begun: Begun) -> None:
        # One that was INVALID before counts too if the script built it again: IF NOT EXISTS would step over it.
        found = self._end_segment(connection, begun, _INVALID_ONES)
        bad = [
            name for name in found if name not in begun.memory["invalid"] or mentioned(name, begun.memory["indexed"])
        ]
        if bad:
            raise UnsettledError(_not_built(bad[0]), hint=f"DROP INDEX CONCURRENTLY {bad[0]}")
        if begun.guarded:
            guard_postgresql.release(connection, begun.frame.attempt)

    def before_statement(self, connection: Connection, begun: Begun, text: str) -> None:
        if "index" in text.lower():
            begun.memory["indexed"].append(text)

    def commits_by_itself(self, text: str, *, in_block: bool) -> bool:
        return in_block

    def may_retry(self, error: BaseException) -> bool:
        return _state(getattr(error, "orig", None) or error) in _PASSING

    def refused(self, error: BaseException) -> bool:
        return _state(getattr(error, "orig", None) or error) == guard_postgresql.REFUSED

    def only_look(self, connection: Connection) -> None:
        # No BEGIN and no COMMIT around each look; what must be of one state (a snapshot) begins a transaction itself.
        connection.execution_options(isolation_level="AUTOCOMMIT")

    def watch(self, connection: Connection) -> None:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        late = (connection.dialect.server_version_info or ()) >= (14,)
        names = ("statement_timeout", *(["idle_session_timeout"] if late else []))
        connection.exec_driver_sql("SELECT " + ", ".join(f"set_config('{name}', '0', false)" for name in names))

    def fingerprint(self, connection: Connection, text: str) -> str | None:
        return None

    def all_or_nothing(self, text: str) -> bool:
        # These may commit on their way; several statements at once are one transaction, until one of these is among.
        return not _BY_PARTS.search(text)

    def leftovers(self, connection: Connection) -> dict[str, str]:
        return {name: _not_built(name) for name in connection.exec_driver_sql(_INVALID).scalars()}

    def waits_for(self, connection: Connection, begun: Begun) -> str:
        found = [item for item in locks.activity(connection) if item.process == begun.process]
        return next((item.waits_for for item in found if item.waits_for), "")

    def cancel(self, connection: Connection, begun: Begun) -> None:
        # A connection that env.py keeps open is idle in its transaction, and has nothing to cancel.
        query = """SELECT CASE state WHEN 'active' THEN pg_cancel_backend(pid) ELSE pg_terminate_backend(pid) END
            FROM pg_stat_activity WHERE pid = %s AND state <> 'idle'"""
        connection.exec_driver_sql(query, (int(begun.process),))

    def has_ended(self, connection: Connection, begun: Begun) -> bool:
        # NOTE: "in progress" decides nothing: a COMMIT may be on its way while the client's connection is gone.
        status = None
        if begun.transaction:
            query = "SELECT pg_xact_status(%s::text::xid8)"
            status = connection.exec_driver_sql(query, (begun.transaction,)).scalar()
        works = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s AND state = 'active' AND query <> '')"
        busy = begun.blocks and connection.exec_driver_sql(works, (int(begun.process),)).scalar()
        return status != "in progress" and not busy


def _settle_in(connection: Connection, frame: StepFrame | None) -> None:
    """K2 and the session's settings, at driver level and committed there: no transaction of env.py's begins here."""
    dbapi = connection.connection.dbapi_connection
    cursor: Any = connection.connection.cursor()
    try:
        cursor.execute(f"SELECT pg_backend_pid(), {_GUARDED}")
        (pid, guarded), told = cursor.fetchone(), locks.handshake_pid(connection.connection.driver_connection)
        if told is not None and pid != told:
            raise TargetError(_POOLER, hint="let env.py connect to the server itself, not to the pooler")
        if frame is not None:
            cursor.execute(f"{_settings(frame)}, pg_try_advisory_lock_shared({locks.SPACE}, {locks.RUNNER})")
            if not cursor.fetchone()[-1]:
                raise TargetError("another migration works on this database", hint="run the command again")
            if guarded:
                # For the version table, which Alembic makes before the step begins.
                _permit_session(cursor, frame)
        if dbapi is not None:
            dbapi.commit()
    finally:
        cursor.close()


def _permit_session(cursor: Any, frame: StepFrame) -> None:
    """Raises TargetError without the right to do so, whatever driver env.py has."""
    try:
        cursor.execute(guard_postgresql.permit_session_text(frame.attempt))
    except Exception as error:  # its class belongs to a driver that may not be installed
        if (told := guard_postgresql.no_permit(error)) is not None:
            raise told from error
        raise


def _not_built(name: str) -> str:
    return f"the index {name} is INVALID, not built to its end; drop it first: DROP INDEX CONCURRENTLY {name}"


def _state(error: BaseException) -> str:
    """SQLSTATE, as psycopg and asyncpg call it, or as psycopg2 does."""
    return getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or ""


def _settings(frame: StepFrame) -> str:
    """Timeouts of the session, never none for locks: who waits in a queue for one keeps all behind it waiting."""
    timeout = int(frame.statement_timeout_s * 1000)
    settings = {
        "application_name": _plain(frame.application),
        "lock_timeout": max(1, int(frame.lock_timeout_s * 1000)),
        "statement_timeout": timeout,
        "idle_in_transaction_session_timeout": timeout,
    }
    return "SELECT " + ", ".join(f"set_config('{name}', '{value}', false)" for name, value in settings.items())


def _plain(text: str) -> str:
    return "".join(c for c in text if c.isalnum() or c in " @.:-_+")[:63]


DIALECT = Postgresql("postgresql", TargetTables.build(SCHEMA), {})
