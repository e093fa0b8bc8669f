"""PostgreSQL: transactional DDL, a schema of our own, advisory locks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, pool
from sqlalchemy.exc import NoSuchModuleError

from migrate_flow.dialects.dialect import StepFrame
from migrate_flow.dialects.tables import SCHEMA, TargetTables
from migrate_flow.errors import BusyError, UnsettledError, UsageError

CONNECT_TIMEOUT_S = 10
LOCK_KEY = (0x4D464C4F, 1)  # "MFLO": advisory locks are per database
_FOREIGN_TABLES = """
SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('information_schema', 'migrate_flow')
  AND n.nspname !~ '^pg_' AND NOT EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1 LIMIT 4"""
_HOLDER = """
SELECT a.application_name, a.pid, to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.classid = %s AND l.objid = %s AND l.granted
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


@dataclass(frozen=True, slots=True)
class Postgresql:
    """PostgreSQL through psycopg; env.py may use another driver."""

    name: str
    tables: TargetTables
    context_options: dict[str, Any]

    def migration_url(self, url: URL, root: Path) -> URL:
        return url

    def engine(self, url: URL, root: Path, application: str) -> Engine | None:
        return self.creating_engine(url, root, application)

    def creating_engine(self, url: URL, root: Path, application: str) -> Engine:
        try:
            return create_engine(
                url.set(drivername="postgresql+psycopg"),
                hide_parameters=True,
                poolclass=pool.NullPool,
                connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "application_name": application[:63]},
            )
        except (ImportError, NoSuchModuleError):
            raise UsageError(
                "the PostgreSQL driver psycopg is not installed", hint="pip install 'migrate-flow[postgresql]'"
            ) from None

    def server(self, connection: Connection) -> str:
        return f"PostgreSQL {connection.exec_driver_sql('SHOW server_version').scalar()}"

    def obstacle(self, connection: Connection) -> str:
        row = connection.exec_driver_sql("SELECT pg_is_in_recovery(), current_setting('transaction_read_only')").one()
        if row[0]:
            return "the server is a replica"
        return "the database is read-only" if row[1] == "on" else ""

    def foreign_tables(self, connection: Connection) -> tuple[str, ...]:
        rows = connection.exec_driver_sql(_FOREIGN_TABLES)
        return tuple(row[0].removeprefix("public.") for row in rows)

    def prepare(self, connection: Connection) -> None:
        connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")

    def watch(self, connection: Connection) -> object:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        return None

    def committed(self, connection: Connection, seen: object, begun: object) -> bool:
        if begun is None:
            return False
        status = connection.exec_driver_sql("SELECT pg_xact_status(%s::text::xid8)", (str(begun),)).scalar()
        return bool(status == "committed")

    @contextmanager
    def lock(self, url: URL, root: Path, application: str) -> Iterator[None]:
        engine = self.creating_engine(url, root, application).execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            # Tried, never waited for: a blocking wait would hold a snapshot against CREATE INDEX CONCURRENTLY.
            taken = connection.exec_driver_sql("SELECT pg_try_advisory_lock(%s, %s)", LOCK_KEY).scalar()
            if not taken:
                raise _busy(connection, str(url.database))
            yield

    def while_env_runs(self) -> AbstractContextManager[None]:
        return nullcontext()

    def begin_step(self, connection: Connection, frame: StepFrame) -> object:
        # Session-level: LOCAL settings would end at the commit of an autocommit block.
        for name, seconds in (("lock_timeout", frame.lock_timeout_s), ("statement_timeout", frame.statement_timeout_s)):
            connection.exec_driver_sql(f"SET {name} = {int(seconds * 1000)}")
        return connection.exec_driver_sql("SELECT pg_current_xact_id()::text").scalar()

    def end_step(self, connection: Connection, begun: object) -> None:
        if connection.exec_driver_sql("SELECT pg_current_xact_id()::text").scalar() != begun:
            raise UnsettledError(
                "the script ended the transaction by itself", hint="remove COMMIT or ROLLBACK from the script"
            )


def _busy(connection: Connection, database: str) -> BusyError:
    row = connection.exec_driver_sql(_HOLDER, LOCK_KEY).first()
    holder = f"{row[0]} (server process {row[1]}), since {row[2]} UTC" if row else "another process"
    return BusyError(
        f"{database} is locked by {holder}", hint="wait for it, then run the command again", where=database
    )


DIALECT = Postgresql("postgresql", TargetTables.build(SCHEMA), {})
