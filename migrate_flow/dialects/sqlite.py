"""SQLite: one file, atomic DDL once the transaction is ours, foreign keys off while tables are rebuilt."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, pool, select, table
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from migrate_flow.dialects import filelock, snapshot_sqlite, sqlite_look
from migrate_flow.dialects.dialect import BRIEF_S, Begun, StepFrame
from migrate_flow.dialects.interrupt import at_signals
from migrate_flow.dialects.tables import TargetTables
from migrate_flow.errors import TargetError, UnsettledError, UsageError

if TYPE_CHECKING:
    from migrate_flow.core.facts import Activity
    from migrate_flow.core.snapshot import Snapshot

_SAVEPOINT = "migrate_flow_step"


@dataclass(frozen=True, slots=True)
class Sqlite:
    """The embedded default."""

    name: str
    tables: TargetTables
    context_options: dict[str, Any]
    journals: bool = False
    costly: bool = False
    blocks: bool = False
    guard: None = None

    def migration_url(self, url: URL, root: Path) -> URL:
        return url.set(database=str(_path(url, root)))

    def engine(self, url: URL, root: Path, application: str) -> Engine | None:
        path = _path(url, root)
        return self._engine(path, "rw") if sqlite_look.there(path) else None

    def creating_engine(self, url: URL, root: Path, application: str) -> Engine:
        path = _path(url, root)
        if not path.parent.is_dir():
            raise UsageError(
                f"there is no folder {path.parent}", hint=f"mkdir -p {path.parent}", where=str(url.database)
            )
        return self._engine(path, "rwc")

    def _engine(self, path: Path, mode: str) -> Engine:
        return create_engine(
            "sqlite://",
            creator=lambda: sqlite_look.connect(path, mode),
            hide_parameters=True,
            poolclass=pool.NullPool,
        )

    def observed_name(self, connection: Connection) -> str:
        return connection.dialect.name

    def server(self, connection: Connection) -> str:
        return sqlite_look.server()

    def obstacle(self, connection: Connection) -> str:
        return sqlite_look.obstacle(connection)

    def foreign_tables(self, connection: Connection) -> tuple[str, ...]:
        return sqlite_look.foreign_tables(connection)

    def snapshot(
        self, connection: Connection, leave_out: frozenset[str] = frozenset(), *, rows: bool = False
    ) -> Snapshot:
        return snapshot_sqlite.take(connection, leave_out=leave_out)

    def rows(self, connection: Connection, leave_out: frozenset[str] = frozenset()) -> str:
        return ""

    def row_counts(self, connection: Connection, leave_out: frozenset[str] = frozenset()) -> dict[str, int]:
        return snapshot_sqlite.row_counts(connection, leave_out=leave_out)

    def row_estimates(self, connection: Connection, relations: Sequence[str]) -> dict[str, int]:
        return {}  # a rehearsal sees locks on PostgreSQL alone

    def be_brief(self, connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {BRIEF_S * 1000}")
        connection.commit()

    def only_look(self, connection: Connection) -> None:
        """Nothing."""

    def prepare(self, connection: Connection) -> None:
        """Nothing: names with a prefix need no schema."""

    @contextmanager
    def lock(
        self, url: URL, root: Path, application: str, *, engine: Engine | None = None, end_orphans: bool = False
    ) -> Iterator[object]:
        # A killed process leaves nothing running: there are no orphans.
        path = _path(url, root).resolve()
        with filelock.held(_lock_file(path), application, path.name):
            yield str(path)

    def holds(self, connection: Connection, held: object) -> bool:
        return str(sqlite_look.file(connection).resolve()) == held

    def activity(self, connection: Connection) -> tuple[Activity, ...]:
        return filelock.activity(_lock_file(sqlite_look.file(connection)))

    @contextmanager
    def while_env_runs(self, frame: StepFrame | None) -> Iterator[None]:
        """Put every transaction of env.py's engines under BEGIN IMMEDIATE with foreign keys off.

        NOTE: with foreign keys on, batch_alter_table on a parent silently deletes ON DELETE CASCADE children, and
        the pragma is a no-op inside a transaction: so it is set just before BEGIN, and read back.
        """

        begun: list[Connection] = []

        def begin(connection: Connection) -> None:
            if connection.dialect.name == "sqlite":
                begun.append(connection)
                _begin(connection, frame)

        def interrupt() -> None:
            for connection in begun:
                _interrupt(connection)

        listeners: tuple[tuple[str, Any], ...] = (
            ("engine_connect", _own_transactions),
            ("begin", begin),
            ("before_cursor_execute", _swallow_begin),
        )
        for name, listener in listeners:
            event.listen(Engine, name, listener, retval=name == "before_cursor_execute")
        try:
            with at_signals(interrupt):
                yield
        finally:
            for name, listener in listeners:
                event.remove(Engine, name, listener)

    def begin_step(self, connection: Connection, frame: StepFrame) -> Begun:
        memory = {"violations": _violations(connection), "rows": _child_rows(connection, frame.source)}
        begun = Begun(frame, memory=memory)
        self.begin_segment(connection, begun)
        return begun

    def begin_segment(self, connection: Connection, begun: Begun) -> None:
        # It lives as long as the transaction that it is made in.
        connection.exec_driver_sql(f"SAVEPOINT {_SAVEPOINT}")

    def end_segment(self, connection: Connection, begun: Begun) -> None:
        try:
            if not _driver(connection).in_transaction:
                raise sqlite3.OperationalError
            connection.exec_driver_sql(f"RELEASE {_SAVEPOINT}")
        except (OperationalError, sqlite3.OperationalError):
            raise UnsettledError(
                "the script ended the transaction by itself", hint="remove COMMIT or ROLLBACK from the script"
            ) from None
        self.begin_segment(connection, begun)

    def enter_block(self, connection: Connection, begun: Begun) -> None:
        """Nothing: there are no blocks."""

    def end_step(self, connection: Connection, begun: Begun) -> None:
        self.end_segment(connection, begun)
        fresh = _violations(connection) - begun.memory["violations"]
        if fresh:
            table, parent = sorted(fresh)[0][0], sorted(fresh)[0][2]
            raise TargetError(
                f"{len(fresh)} rows would violate a foreign key ({table} refers to {parent})",
                hint="let the script repair or delete these rows first",
            )
        # foreign_key_check can't see rows that a cascade took along.
        rows = _child_rows(connection, begun.frame.source)
        for table, before in begun.memory["rows"].items():
            if rows.get(table, 0) != before:
                raise TargetError(
                    f"the script does not name {table}, and would leave it with {rows.get(table, 0)} rows of {before}",
                    hint=f"let the script name {table} if that is meant",
                )

    def before_statement(self, connection: Connection, begun: Begun, text: str) -> None:
        # Outside of a transaction SQLite would make each statement durable at once.
        if not _driver(connection).in_transaction:
            raise UnsettledError("the script ended the transaction by itself", hint="remove COMMIT or ROLLBACK from it")

    def commits_by_itself(self, text: str, *, in_block: bool) -> bool:
        return False

    def may_retry(self, error: BaseException) -> bool:
        original = getattr(error, "orig", None) or error
        return getattr(original, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

    def refused(self, error: BaseException) -> bool:
        return False

    def watch(self, connection: Connection) -> None:
        """Nothing: it only reads, one statement at a time."""

    def fingerprint(self, connection: Connection, text: str) -> str | None:
        return None

    def all_or_nothing(self, text: str) -> bool:
        return True

    def leftovers(self, connection: Connection) -> dict[str, str]:
        return {}

    def waits_for(self, connection: Connection, begun: Begun) -> str:
        return ""

    def cancel(self, connection: Connection, begun: Begun) -> None:
        """Nothing: what runs, runs in this process."""

    def has_ended(self, connection: Connection, begun: Begun) -> bool:
        return True


def _path(url: URL, root: Path) -> Path:
    if not url.database or url.database == ":memory:":
        raise UsageError("an in-memory database can't be an environment", hint='url = "sqlite:///dev.db"')
    return root / url.database


def _lock_file(path: Path) -> Path:
    return path.with_name(path.name + ".migrate-flow.lock")


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _interrupt(connection: Connection) -> None:
    """From another thread."""
    with suppress(SQLAlchemyError, sqlite3.Error):  # closed meanwhile
        driver = _driver(connection)
        getattr(driver, "_conn", driver).interrupt()  # aiosqlite has the connection inside


def _own_transactions(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.connection.dbapi_connection.isolation_level = None  # type: ignore[union-attr]


def _begin(connection: Connection, frame: StepFrame | None) -> None:
    cursor = connection.connection.cursor()
    if _driver(connection).in_transaction:
        cursor.execute("ROLLBACK")
    if frame is None:  # a look, which must not wait for a writer
        cursor.execute("BEGIN")
        cursor.close()
        return
    cursor.execute("PRAGMA foreign_keys=OFF")
    cursor.execute("PRAGMA foreign_keys")
    if cursor.fetchone() != (0,):
        raise TargetError("foreign keys can't be switched off on this connection", hint="see env.py's listeners")
    cursor.execute(f"PRAGMA busy_timeout={max(1, int(frame.lock_timeout_s * 1000))}")
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


def _child_rows(connection: Connection, source: bytes) -> dict[str, int]:
    """Rows of tables that refer to others and that the script's text does not name: a cascade would take them."""
    query = (
        "SELECT DISTINCT m.name FROM sqlite_master m, pragma_foreign_key_list(m.name) f WHERE m.type = 'table' "
        "AND f.on_delete IN ('CASCADE', 'SET NULL', 'SET DEFAULT')"
    )
    named = {word.lower() for word in re.findall(r"\w+", source.decode(errors="replace"))}
    tables = [name for name in connection.exec_driver_sql(query).scalars() if name.lower() not in named]
    return {name: connection.execute(select(func.count()).select_from(table(name))).scalar_one() for name in tables}


DIALECT = Sqlite("sqlite", TargetTables.build(None), {"transactional_ddl": True})
