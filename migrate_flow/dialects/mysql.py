"""MySQL and MariaDB: DDL commits by itself, so each statement is journaled; locks by GET_LOCK."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, create_engine, pool
from sqlalchemy.exc import DBAPIError, NoSuchModuleError

from migrate_flow.dialects import mysql_locks as locks
from migrate_flow.dialects import mysql_text, snapshot_mysql
from migrate_flow.dialects.contention import within
from migrate_flow.dialects.dialect import BRIEF_S, Begun, StepFrame
from migrate_flow.dialects.engines import settled_in
from migrate_flow.dialects.tables import TargetTables
from migrate_flow.errors import TargetError, UnsettledError, UsageError

if TYPE_CHECKING:
    from migrate_flow.core.facts import Activity
    from migrate_flow.core.snapshot import Snapshot

CONNECT_TIMEOUT_S = 10
OWN_LOCK_TIMEOUT_S = 10
KILL_GRACE_S = 1.0
_YEAR_S = 31_536_000
_NAMES = ("mysql", "mariadb")
# Parameters of a URL that mean the same to PyMySQL as to other drivers; it raises TypeError for those it lacks.
_KNOWN = re.compile(r"charset|unix_socket|ssl(_\w+)?|read_default_(file|group)")
# Lock wait timeout, deadlock, a lock with NOWAIT. Not 1969 and 3024: a statement that took too long will again.
_PASSING = frozenset({1205, 1213, 3572})
_NO_TABLE = frozenset({1146, 1049})
_NOT_ALLOWED = frozenset({1044, 1142, 1143, 1227})
_PROXY = "a proxy stands before the server (ProxySQL, MaxScale or the like): locks that belong to a session lie there"
_SEVERAL_COMMITS = "remove COMMIT, ROLLBACK and BEGIN from the script"
# Without LIKE: a % is doubled for some drivers only.
_FOREIGN_TABLES = """
SELECT table_name FROM information_schema.tables
WHERE table_schema = DATABASE() AND LEFT(table_name, 13) <> 'migrate_flow_' ORDER BY table_name LIMIT 4"""
_LOOSE_TABLES = """
SELECT t.table_name FROM information_schema.tables t JOIN information_schema.engines e ON e.engine = t.engine
WHERE t.table_schema = DATABASE() AND t.table_type = 'BASE TABLE' AND coalesce(e.transactions, 'NO') <> 'YES'"""
_REPLICA_COLUMNS = ("Replica_IO_Running", "Slave_IO_Running", "Replica_SQL_Running", "Slave_SQL_Running")


@dataclass(frozen=True, slots=True)
class Mysql:
    """MySQL and MariaDB through PyMySQL; env.py may use another driver. name: as the configuration calls it."""

    name: str
    tables: TargetTables
    context_options: dict[str, Any]
    journals: bool = True
    costly: bool = False
    blocks: bool = True
    guard: None = None

    def migration_url(self, url: URL, root: Path) -> URL:
        return url

    def engine(self, url: URL, root: Path, application: str) -> Engine | None:
        return self.creating_engine(url, root, application)

    def creating_engine(self, url: URL, root: Path, application: str) -> Engine:
        query = {name: value for name, value in url.query.items() if _KNOWN.fullmatch(name)}
        # The server's own limit for a metadata lock is a day.
        patience = f"lock_wait_timeout = {OWN_LOCK_TIMEOUT_S}, innodb_lock_wait_timeout = {OWN_LOCK_TIMEOUT_S}"
        try:
            return create_engine(
                url.set(drivername="mysql+pymysql", query=query),
                hide_parameters=True,
                poolclass=pool.NullPool,
                connect_args={
                    "connect_timeout": CONNECT_TIMEOUT_S,
                    "init_command": f"SET SESSION {patience}",
                    "program_name": application,
                },
                execution_options={"application": application},
            )
        except (ImportError, NoSuchModuleError):
            raise UsageError(
                "the MySQL driver PyMySQL is not installed", hint="pip install 'migrate-flow[mysql]'"
            ) from None

    def observed_name(self, connection: Connection) -> str:
        found = "mariadb" if getattr(connection.dialect, "is_mariadb", False) else connection.dialect.name
        return self.name if self.name == "mysql" and found in _NAMES else found

    def server(self, connection: Connection) -> str:
        said = str(connection.exec_driver_sql("SELECT VERSION()").scalar())
        mariadb = re.search(r"(\d+(?:\.\d+)+)-MariaDB", said)
        return f"MariaDB {mariadb[1]}" if mariadb else f"MySQL {said.partition('-')[0]}"

    def obstacle(self, connection: Connection) -> str:
        read_only, number = connection.exec_driver_sql("SELECT @@global.read_only, CONNECTION_ID()").one()
        told = locks.handshake_id(connection.connection.driver_connection)
        if told is not None and told != number % 2**32:
            return _PROXY
        if _is_replica(connection):
            return "the server is a replica"
        if str(read_only).upper() not in ("0", "OFF"):
            return "the server is read-only"
        innodb = "SELECT support FROM information_schema.engines WHERE engine = 'InnoDB'"
        if connection.exec_driver_sql(innodb).scalar() not in ("YES", "DEFAULT"):
            return "the server has no InnoDB, whose transactions prove that a migration ran"
        return ""

    def foreign_tables(self, connection: Connection) -> tuple[str, ...]:
        return tuple(connection.exec_driver_sql(_FOREIGN_TABLES).scalars())

    def snapshot(
        self, connection: Connection, leave_out: frozenset[str] = frozenset(), *, rows: bool = False
    ) -> Snapshot:
        return snapshot_mysql.take(connection, leave_out=leave_out)

    def rows(self, connection: Connection, leave_out: frozenset[str] = frozenset()) -> str:
        return ""

    def row_counts(self, connection: Connection, leave_out: frozenset[str] = frozenset()) -> dict[str, int]:
        return snapshot_mysql.row_counts(connection, leave_out=leave_out)

    def row_estimates(self, connection: Connection, relations: Sequence[str]) -> dict[str, int]:
        return {}  # a rehearsal sees locks on PostgreSQL alone

    def be_brief(self, connection: Connection) -> None:
        connection.exec_driver_sql(f"SET SESSION lock_wait_timeout = {BRIEF_S}")
        connection.commit()

    def only_look(self, connection: Connection) -> None:
        """Nothing."""

    def prepare(self, connection: Connection) -> None:
        locks.HOLDER.create(connection, checkfirst=True)
        # Whoever claims a database has locked it before there was a place for the note.
        name = locks.target_lock(str(connection.exec_driver_sql("SELECT DATABASE()").scalar()))
        holder = locks.holder_of(connection, name)
        if holder is not None:
            locks.note(connection, name, holder, connection.get_execution_options().get("application", ""))

    @contextmanager
    def lock(
        self, url: URL, root: Path, application: str, *, engine: Engine | None = None, end_orphans: bool = False
    ) -> Iterator[object]:
        engine = engine or self.creating_engine(url, root, application)
        with engine.connect() as connection:
            self.watch(connection)
            held = locks.take(connection, self.tables, application, end_orphans=end_orphans)
            try:
                yield held
            finally:
                locks.release(connection, held)

    def holds(self, connection: Connection, held: object) -> bool:
        return isinstance(held, locks.Held) and locks.holds(connection, held)

    def activity(self, connection: Connection) -> tuple[Activity, ...]:
        return locks.activity(connection, self.tables)

    @contextmanager
    def while_env_runs(self, frame: StepFrame | None) -> Iterator[None]:
        def settle_in(connection: Connection) -> None:
            if frame is not None:
                _settle_in(connection, frame)

        with settled_in(_NAMES, settle_in):
            yield

    def begin_step(self, connection: Connection, frame: StepFrame) -> Begun:
        number, autocommit = connection.exec_driver_sql("SELECT CONNECTION_ID(), @@autocommit").one()
        if autocommit:
            raise TargetError(
                "env.py's connection commits each statement by itself, so no receipt could come with the version table",
                hint='take isolation_level="AUTOCOMMIT" out of env.py',
            )
        for statement in _settings(connection, frame):
            connection.exec_driver_sql(statement)
        # The step before may still be closing its connection.
        name = locks.step_lock(frame.uuid)
        if connection.exec_driver_sql(f"SELECT GET_LOCK('{name}', {int(locks.ORPHAN_GRACE_S)})").scalar() != 1:
            raise TargetError("another migration works on this database", hint="run the command again")
        locks.note(connection, name, number, frame.application)
        loose = frozenset(connection.exec_driver_sql(_LOOSE_TABLES).scalars())
        identity = self.tables.read_identity(connection)
        if identity is not None and identity.version_table in loose:
            raise TargetError(
                f"{identity.version_table} has no transactions, so no receipt could come with its change",
                hint=f"ALTER TABLE {identity.version_table} ENGINE=InnoDB",
            )
        # Ends the snapshot in which Alembic has read the version table, before we had the lock.
        connection.exec_driver_sql("COMMIT")
        return Begun(frame, process=str(number), memory={"loose": loose})

    def begin_segment(self, connection: Connection, begun: Begun) -> None:
        """Nothing: lock and settings are the session's."""

    def end_segment(self, connection: Connection, begun: Begun) -> None:
        if connection.exec_driver_sql("SELECT @@autocommit").scalar():
            raise UnsettledError("the script switched autocommit on", hint=_SEVERAL_COMMITS)
        if not self.holds(connection, begun.frame.held) or not _has_step_lock(connection, begun):
            raise TargetError("the lock on the target was lost, so nothing more was committed", hint="run it again")

    def enter_block(self, connection: Connection, begun: Begun) -> None:
        """Nothing, as there is no guard."""

    def end_step(self, connection: Connection, begun: Begun) -> None:
        self.end_segment(connection, begun)

    def before_statement(self, connection: Connection, begun: Begun, text: str) -> None:
        problem, hint = mysql_text.refused(text)
        if problem:
            raise TargetError(problem, hint=hint)
        if mysql_text.commits_by_itself(text):
            if not self.holds(connection, begun.frame.held) or not _has_step_lock(connection, begun):
                raise TargetError(
                    "the lock on the target was lost, so this statement was not sent", hint="run the command again"
                )
            return
        table = mysql_text.writes_to(text, begun.memory["loose"])
        if table and not connection.exec_driver_sql("SELECT @@autocommit").scalar():
            raise TargetError(
                f"{table} has no transactions: what the script writes there can't be rolled back",
                hint=f"ALTER TABLE {table} ENGINE=InnoDB; or write: with op.get_context().autocommit_block():",
            )

    def commits_by_itself(self, text: str, *, in_block: bool) -> bool:
        return in_block or mysql_text.commits_by_itself(text)

    def may_retry(self, error: BaseException) -> bool:
        return _code(error) in _PASSING

    def refused(self, error: BaseException) -> bool:
        return False

    def watch(self, connection: Connection) -> None:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.exec_driver_sql(f"SET SESSION wait_timeout = {_YEAR_S}")

    def fingerprint(self, connection: Connection, text: str) -> str | None:
        table = mysql_text.one_table(text)
        if not table:
            return None
        try:
            row = connection.exec_driver_sql(f"SHOW CREATE TABLE {table}").one()
        except DBAPIError as error:
            if _code(error) in _NOT_ALLOWED:
                return None
            if _code(error) not in _NO_TABLE:
                raise
            return sha256(b"absent").hexdigest()
        return sha256(re.sub(r" AUTO_INCREMENT=\d+", "", str(row[1])).encode()).hexdigest()

    def all_or_nothing(self, text: str) -> bool:
        return mysql_text.all_or_nothing(text)

    def leftovers(self, connection: Connection) -> dict[str, str]:
        return {}

    def waits_for(self, connection: Connection, begun: Begun) -> str:
        return locks.waits_for(connection, int(begun.process))

    def cancel(self, connection: Connection, begun: Begun) -> None:
        for what in ("QUERY", "CONNECTION"):
            locks.kill(connection, int(begun.process), what)
            if within(KILL_GRACE_S, lambda: self.has_ended(connection, begun)):
                return

    def has_ended(self, connection: Connection, begun: Begun) -> bool:
        return locks.has_ended(connection, int(begun.process), begun.frame.uuid)


def _settle_in(connection: Connection, frame: StepFrame) -> None:
    """The session's settings, at driver level: no transaction of env.py's begins here."""
    cursor = connection.connection.cursor()
    try:
        for statement in _settings(connection, frame):
            cursor.execute(statement)
    finally:
        cursor.close()


def _settings(connection: Connection, frame: StepFrame) -> Iterator[str]:
    """Timeouts of the session, never none for locks: who waits for a metadata lock keeps all behind it waiting."""
    lock_s = max(1, math.ceil(frame.lock_timeout_s))
    yield f"SET SESSION lock_wait_timeout = {lock_s}, innodb_lock_wait_timeout = {lock_s}"
    if getattr(connection.dialect, "is_mariadb", False):
        yield f"SET SESSION max_statement_time = {frame.statement_timeout_s}"
    else:  # of SELECT only
        yield f"SET SESSION max_execution_time = {int(frame.statement_timeout_s * 1000)}"
    if frame.statement_timeout_s:
        yield f"SET SESSION wait_timeout = {math.ceil(frame.statement_timeout_s)}"


def _has_step_lock(connection: Connection, begun: Begun) -> bool:
    return locks.holder_of(connection, locks.step_lock(begun.frame.uuid)) == int(begun.process)


def _is_replica(connection: Connection) -> bool:
    for words in ("REPLICA", "SLAVE"):  # the first came with MySQL 8.0.22 and MariaDB 10.5
        with suppress(DBAPIError):  # or the privilege is missing
            rows = connection.exec_driver_sql(f"SHOW {words} STATUS").mappings()
            return any(row.get(column, "No") != "No" for row in rows for column in _REPLICA_COLUMNS)
    return False


def _code(error: BaseException) -> int:
    """The server's number of an error, whatever the driver."""
    original: Any = getattr(error, "orig", None) or error
    number = getattr(original, "errno", None) or next(iter(original.args), None)
    return number if isinstance(number, int) else 0


DIALECT = Mysql("mysql", TargetTables.build(None, innodb=True), {})
