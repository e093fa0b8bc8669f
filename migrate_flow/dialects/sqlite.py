"""SQLite: one file, atomic DDL once the transaction is ours, foreign keys off while tables are rebuilt."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, pool

from migrate_flow.dialects import filelock
from migrate_flow.dialects.dialect import StepFrame
from migrate_flow.dialects.tables import PREFIX, TargetTables
from migrate_flow.errors import TargetError, UnsettledError, UsageError

BUSY_TIMEOUT_MS = 10_000


@dataclass(frozen=True, slots=True)
class Sqlite:
    """The embedded default."""

    name: str
    tables: TargetTables
    context_options: dict[str, Any]

    def migration_url(self, url: URL, root: Path) -> URL:
        return url.set(database=str(_path(url, root)))

    def engine(self, url: URL, root: Path, application: str) -> Engine | None:
        path = _path(url, root)
        return self._engine(path, "rw") if path.exists() and path.stat().st_size else None

    def creating_engine(self, url: URL, root: Path, application: str) -> Engine:
        path = _path(url, root)
        if not path.parent.is_dir():
            raise UsageError(
                f"there is no folder {path.parent}", hint=f"mkdir -p {path.parent}", where=str(url.database)
            )
        return self._engine(path, "rwc")

    def _engine(self, path: Path, mode: str) -> Engine:
        # NOTE: mode=rw opens, but never makes, a file: looking at a target must not create one.
        return create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, timeout=BUSY_TIMEOUT_MS / 1000),
            hide_parameters=True,
            poolclass=pool.NullPool,
        )

    def server(self, connection: Connection) -> str:
        return f"SQLite {sqlite3.sqlite_version}"

    def obstacle(self, connection: Connection) -> str:
        path = connection.exec_driver_sql("PRAGMA database_list").all()[0][2]
        return "" if os.access(path, os.W_OK) else "the database file is read-only"

    def foreign_tables(self, connection: Connection) -> tuple[str, ...]:
        query = (
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
            "AND name NOT LIKE ? ESCAPE '\\' ORDER BY name LIMIT 4"
        )
        rows = connection.exec_driver_sql(query, (PREFIX.replace("_", "\\_") + "%",))
        return tuple(row[0] for row in rows)

    def prepare(self, connection: Connection) -> None:
        """Nothing: names with a prefix need no schema."""

    def watch(self, connection: Connection) -> object:
        return connection.exec_driver_sql("PRAGMA data_version").scalar()

    def committed(self, connection: Connection, seen: object, begun: object) -> bool:
        # NOTE: the number changes with every commit of another connection, an application's too: better a step too
        # many called partial than one that left something called clean.
        return connection.exec_driver_sql("PRAGMA data_version").scalar() != seen

    def lock(self, url: URL, root: Path, application: str) -> AbstractContextManager[None]:
        path = _path(url, root)
        return filelock.held(path.with_name(path.name + ".migrate-flow.lock"), application, path.name)

    @contextmanager
    def while_env_runs(self) -> Iterator[None]:
        """Put every transaction of env.py's engines under BEGIN IMMEDIATE with foreign keys off.

        NOTE: with foreign keys on, batch_alter_table on a parent silently deletes ON DELETE CASCADE children, and
        the pragma is a no-op inside a transaction: so it is set just before BEGIN, and read back.
        """
        listeners = (
            ("engine_connect", _own_transactions),
            ("begin", _begin_immediate),
            ("before_cursor_execute", _swallow_begin),
        )
        for name, listener in listeners:
            event.listen(Engine, name, listener, retval=name == "before_cursor_execute")
        try:
            yield
        finally:
            for name, listener in listeners:
                event.remove(Engine, name, listener)

    def begin_step(self, connection: Connection, frame: StepFrame) -> object:
        return _violations(connection)

    def end_step(self, connection: Connection, begun: object) -> None:
        if not _driver(connection).in_transaction:
            raise UnsettledError("the script ended the transaction by itself", hint="remove COMMIT from the script")
        fresh = _violations(connection) - begun  # type: ignore[operator]
        if fresh:
            table, parent = sorted(fresh)[0][0], sorted(fresh)[0][2]
            raise TargetError(
                f"{len(fresh)} rows would violate a foreign key ({table} refers to {parent})",
                hint="let the script repair or delete these rows first",
            )


def _path(url: URL, root: Path) -> Path:
    if not url.database or url.database == ":memory:":
        raise UsageError("an in-memory database can't be an environment", hint='url = "sqlite:///dev.db"')
    return root / url.database


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _own_transactions(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.connection.dbapi_connection.isolation_level = None  # type: ignore[union-attr]


def _begin_immediate(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    cursor = connection.connection.cursor()
    if _driver(connection).in_transaction:
        cursor.execute("ROLLBACK")
    cursor.execute("PRAGMA foreign_keys=OFF")
    cursor.execute("PRAGMA foreign_keys")
    if cursor.fetchone() != (0,):
        raise TargetError("foreign keys can't be switched off on this connection", hint="see env.py's listeners")
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.execute("BEGIN IMMEDIATE")
    cursor.close()


def _swallow_begin(
    connection: Connection, _cursor: object, statement: str, parameters: Any, _context: object, _many: bool
) -> tuple[str, Any]:
    """A BEGIN from env.py's own listener (SQLAlchemy's recipe for SQLite) would fail inside ours."""
    if connection.dialect.name == "sqlite" and statement.strip(" ;\n").upper().split(" ")[0] == "BEGIN":
        return "SELECT 1", parameters
    return statement, parameters


def _violations(connection: Connection) -> frozenset[tuple[Any, ...]]:
    rows = connection.exec_driver_sql("PRAGMA foreign_key_check")
    return frozenset(tuple("" if value is None else str(value) for value in row) for row in rows)


DIALECT = Sqlite("sqlite", TargetTables.build(None), {"transactional_ddl": True})
