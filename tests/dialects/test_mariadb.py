"""MySQL's dialect: what it reads from a statement's text, and its locks and looks at a real MariaDB."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Connection, create_engine, make_url, pool
from sqlalchemy.exc import DBAPIError

from migrate_flow.core.facts import Identity
from migrate_flow.core.trace import Durability, Journaled
from migrate_flow.dialects import dialect_for, mysql_locks, mysql_text
from migrate_flow.dialects.dialect import StepFrame
from migrate_flow.errors import BusyError, TargetError
from tests.support.project import ADA, governed

if TYPE_CHECKING:
    from tests.support.mariadb import MariadbServer

MYSQL, MARIADB = dialect_for("mysql"), dialect_for("mariadb")
ROOT = Path("/")
ANA, BEN = "migrate-flow ada@example.com@here:1", "migrate-flow ben@example.com@there:2"
IDENTITY = Identity("6f0c5a0e-0000-4000-8000-000000000001", "shop", "dev", "ledger")


# -- What the text tells


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE t (id int)",
        "  -- why\n# and\n/* this */ alter table t add n int",
        "/*!40101 DROP TABLE t */",
        "/*M!100100 DROP TABLE t */",
        "TRUNCATE t",
        "RENAME TABLE a TO b",
        "GRANT SELECT ON t TO u",
        "ANALYZE TABLE t",
        "UNLOCK TABLES",
        "COMMIT",
        "ROLLBACK;",
        "BEGIN",
        "START TRANSACTION",
        "CALL p()",
        "create or replace view v as select 1",
        "SET PASSWORD = ''",
    ],
)
def test_commits(text: str) -> None:
    assert MYSQL.commits_by_itself(text, in_block=False)


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO t VALUES ('CREATE TABLE t')",
        "/* CREATE */ UPDATE t SET a = 1",
        "CREATE TEMPORARY TABLE t (id int)",
        "DROP TEMPORARY TABLE t",
        "ROLLBACK TO SAVEPOINT a",
        "ROLLBACK WORK TO a",
        "SAVEPOINT a",
        "LOAD DATA INFILE 'f' INTO TABLE t",
        "SET NAMES utf8mb4",
        "DELETE FROM created",
        "createtable",
    ],
)
def test_does_not_commit(text: str) -> None:
    assert not MYSQL.commits_by_itself(text, in_block=False)
    assert MYSQL.commits_by_itself(text, in_block=True)


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("CREATE TABLE t (id int)", "t"),
        ("create table if not exists `a b`.`c``d` (`x;y` int) -- c", "`a b`.`c``d`"),
        ("\nCREATE TABLE t (\n\tid INTEGER NOT NULL, \n\tPRIMARY KEY (id)\n)\n\n", "t"),
        ("CREATE TABLE t LIKE u", "t"),
        ("DROP TABLE IF EXISTS s . t CASCADE;", "s . t"),
        ("ALTER TABLE t ADD COLUMN n int DEFAULT 'truncate'", "t"),
        ("ALTER TABLE a RENAME TO b", "a"),
        ("ALTER ONLINE TABLE IF EXISTS t DROP n", "t"),
        ("CREATE UNIQUE INDEX ix ON t (a, b)", "t"),
        ("CREATE INDEX IF NOT EXISTS `ix` USING BTREE ON `t` (a)", "`t`"),
        ("DROP INDEX ix ON t", "t"),
        ("RENAME TABLE a TO b", "a"),
        # Not one table, or not one whose definition tells.
        ("DROP TABLE a, b", ""),
        ("RENAME TABLE a TO b, c TO d", ""),
        ("CREATE OR REPLACE TABLE t (id int)", ""),
        ("CREATE TABLE t AS SELECT 1", ""),
        ("CREATE VIEW v AS SELECT 1", ""),
        ("CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET @a = 1", ""),
        ("TRUNCATE TABLE t", ""),
        ("ALTER TABLE t AUTO_INCREMENT = 7", ""),
        ("ALTER TABLE t TRUNCATE PARTITION p", ""),
        ("CREATE TEMPORARY TABLE t (id int)", ""),
        ("INSERT INTO t VALUES (1)", ""),
        ("COMMIT", ""),
    ],
)
def test_the_one_table(text: str, table: str) -> None:
    assert mysql_text.one_table(text) == table


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("SET SESSION autocommit = ON", "autocommit"),
        ("set @a = 1, autocommit=1", "autocommit"),
        ("use other", "current database"),
        ("LOCK TABLES t WRITE", "LOCK TABLES"),
        ("INSERT INTO t VALUES (1); DROP TABLE t", "several statements"),
        ("CREATE TABLE event (id int); DROP TABLE t", "several statements"),
        ("/* now */ commit", "ends the transaction"),
        ("ROLLBACK", "ends the transaction"),
        ("START TRANSACTION", "ends the transaction"),
        ("ROLLBACK TO SAVEPOINT a", ""),
        ("SET autocommit = 0", ""),
        ("INSERT INTO t VALUES ('a;b', \"c;d\", 'it''s; \\'')", ""),
        ("CREATE TABLE t (id int) /* a; b */; -- c;\n", ""),
        ("CREATE DEFINER=`a`@`b` PROCEDURE p() BEGIN SELECT 1; SELECT 2; END", ""),
        ("CREATE TRIGGER t BEFORE INSERT ON u FOR EACH ROW BEGIN SET @a = 1; END", ""),
        ("BEGIN NOT ATOMIC SELECT 1; END", ""),
    ],
)
def test_refused(text: str, told: str) -> None:
    problem, hint = mysql_text.refused(text)
    assert told in problem
    assert bool(problem) == bool(told) == bool(hint)


@pytest.mark.parametrize("text", ["CALL p()", "DROP TABLE a, b", "GRANT ALL ON *.* TO u", "BEGIN NOT ATOMIC END"])
def test_an_error_tells_nothing(text: str) -> None:
    assert not MYSQL.all_or_nothing(text)
    assert MYSQL.all_or_nothing("ALTER TABLE t ADD a int, ADD b int")


def test_names_of_locks() -> None:
    assert mysql_locks.target_lock("Shop") == mysql_locks.target_lock("shop") == "migrate_flow:shop"
    for odd in ("x" * 64, "it's", "žluť", "a%b"):
        name = mysql_locks.target_lock(odd)
        assert len(name) <= mysql_locks.LONGEST_NAME
        assert name.isascii()
        assert not set("'%\\") & set(name)
    assert len(mysql_locks.step_lock(IDENTITY.uuid)) <= mysql_locks.LONGEST_NAME


def test_parameters_of_other_drivers_are_left_out() -> None:
    url = make_url("mysql+mysqldb://u:p@h/d?charset=latin1&ssl_ca=/ca&use_unicode=0&conv=x")
    engine = MYSQL.creating_engine(url, ROOT, ANA)
    assert dict(engine.url.query) == {"charset": "latin1", "ssl_ca": "/ca"}


# -- A real server


@pytest.fixture
def own(mariadb_url: str) -> Iterator[Connection]:
    """A connection of ours to a claimed database."""
    with connected(mariadb_url) as connection:
        MYSQL.prepare(connection)
        MYSQL.tables.write_identity(connection, IDENTITY)
        connection.commit()
        MYSQL.watch(connection)
        yield connection


@contextmanager
def connected(url: str, application: str = ANA) -> Iterator[Connection]:
    engine = MYSQL.creating_engine(make_url(url), ROOT, application)
    with engine.connect() as connection:
        yield connection


@contextmanager
def migrating(url: str) -> Iterator[Connection]:
    """As env.py's connection."""
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        yield connection


def frame(held: object = None) -> StepFrame:
    return StepFrame(f"migrate-flow 12345678 {BEN}", 1.0, 60.0, held, IDENTITY.uuid)


@pytest.mark.mariadb
def test_what_it_is(own: Connection) -> None:
    assert MYSQL.observed_name(own) == "mysql"
    assert MARIADB.observed_name(own) == "mariadb"
    assert MYSQL.server(own).startswith("MariaDB 1")
    assert MYSQL.obstacle(own) == ""
    own.exec_driver_sql("CREATE TABLE migrate_flowers (id int)")
    own.exec_driver_sql("CREATE VIEW v AS SELECT 1")
    assert MYSQL.foreign_tables(own) == ("migrate_flowers", "v")


@pytest.mark.mariadb
def test_read_only(own: Connection, mariadb: MariadbServer) -> None:
    mariadb.execute("SET GLOBAL read_only = 1")
    try:
        assert MYSQL.obstacle(own) == "the server is read-only"
    finally:
        mariadb.execute("SET GLOBAL read_only = 0")


@pytest.mark.mariadb
def test_a_replica(own: Connection, mariadb: MariadbServer) -> None:
    mariadb.execute("SET GLOBAL server_id = 7")
    mariadb.execute("CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = 1, MASTER_USER = 'nobody'")
    try:
        assert MYSQL.obstacle(own) == ""
        mariadb.execute("START SLAVE")
        assert MYSQL.obstacle(own) == "the server is a replica"
    finally:
        mariadb.execute("STOP SLAVE")
        mariadb.execute("RESET SLAVE ALL")


@pytest.mark.mariadb
def test_one_holder_who_says_so(own: Connection, mariadb_url: str, mariadb: MariadbServer) -> None:
    url = make_url(mariadb_url)
    with MYSQL.lock(url, ROOT, ANA) as held:
        assert MYSQL.holds(own, held)
        with connected(mariadb.create_database()) as elsewhere:
            assert not MYSQL.holds(elsewhere, held)
        with pytest.raises(BusyError, match=r"ada@example\.com@here:1 \(connection \d+\), since 20"):
            MYSQL.lock(url, ROOT, BEN).__enter__()
        (found,) = MYSQL.activity(own)
        assert (found.lock, found.application, found.statement) == ("target", ANA, "")
    assert not MYSQL.holds(own, held)
    assert MYSQL.activity(own) == ()
    with MYSQL.lock(url, ROOT, BEN):
        assert [item.application for item in MYSQL.activity(own)] == [BEN]


@pytest.mark.mariadb
def test_a_step_left_behind_keeps_others_out(own: Connection, mariadb_url: str) -> None:
    url = make_url(mariadb_url)
    with migrating(mariadb_url) as other:
        begun = MYSQL.begin_step(other, frame())
        begins = time.monotonic()
        with pytest.raises(BusyError, match=rf"{BEN} left behind: connection {begun.process} is idle"):
            MYSQL.lock(url, ROOT, ANA).__enter__()
        assert time.monotonic() - begins < 10
        with MYSQL.lock(url, ROOT, ANA, end_orphans=True):
            assert MYSQL.has_ended(own, begun)
        other.invalidate()


@pytest.mark.mariadb
def test_a_step(own: Connection, mariadb_url: str) -> None:
    with MYSQL.lock(make_url(mariadb_url), ROOT, ANA) as held, migrating(mariadb_url) as mine:
        begun = MYSQL.begin_step(mine, frame(held))
        asked = "SELECT @@lock_wait_timeout, @@innodb_lock_wait_timeout, @@max_statement_time, @@wait_timeout"
        assert mine.exec_driver_sql(asked).one() == (1, 1, 60.0, 60)
        MYSQL.end_segment(mine, begun)
        mine.exec_driver_sql(f"DO RELEASE_LOCK('{mysql_locks.step_lock(IDENTITY.uuid)}')")
        with pytest.raises(TargetError, match="lost"):
            MYSQL.end_step(mine, begun)
        with pytest.raises(TargetError, match="not sent"):
            MYSQL.before_statement(mine, begun, "DROP TABLE t")
        MYSQL.before_statement(mine, begun, "DELETE FROM t")


@pytest.mark.mariadb
def test_a_step_needs_a_transaction(own: Connection, mariadb_url: str) -> None:
    with migrating(mariadb_url) as mine:
        mine.execution_options(isolation_level="AUTOCOMMIT")
        with pytest.raises(TargetError, match="commits each statement by itself"):
            MYSQL.begin_step(mine, frame())
    own.exec_driver_sql("CREATE TABLE alembic_version (version_num varchar(32)) ENGINE=MyISAM")
    with migrating(mariadb_url) as mine, pytest.raises(TargetError, match="alembic_version has no transactions"):
        MYSQL.begin_step(mine, frame())


@pytest.mark.mariadb
def test_who_keeps_it_waiting(own: Connection, mariadb_url: str) -> None:
    own.exec_driver_sql("CREATE TABLE t (id int PRIMARY KEY, n int)")
    own.exec_driver_sql("INSERT INTO t VALUES (1, 1)")
    for statement, code in (("ALTER TABLE t ADD m int", 1205), ("UPDATE t SET n = 2", 1205)):
        with migrating(mariadb_url) as mine, migrating(mariadb_url) as application, ThreadPoolExecutor() as other:
            begun = MYSQL.begin_step(mine, frame())
            assert MYSQL.waits_for(own, begun) == ""
            application.exec_driver_sql("SELECT * FROM t FOR UPDATE")
            holder = application.exec_driver_sql("SELECT CONNECTION_ID()").scalar()
            mine.exec_driver_sql("SET SESSION lock_wait_timeout = 3, innodb_lock_wait_timeout = 3")
            waiting = other.submit(mine.exec_driver_sql, statement)
            expected = f"connection {holder} (root@localhost, in a transaction since 20"
            while not MYSQL.waits_for(own, begun).startswith(expected):
                assert not waiting.done()
                time.sleep(mysql_locks.TRANSACTIONS_OLD_S)
            error = waiting.exception()
            assert isinstance(error, DBAPIError)
            assert error.orig is not None
            assert error.orig.args[0] == code
            assert MYSQL.may_retry(error)


@pytest.mark.mariadb
def test_what_the_server_still_does_is_ended(own: Connection, mariadb_url: str) -> None:
    with migrating(mariadb_url) as mine, ThreadPoolExecutor() as other:
        begun = MYSQL.begin_step(mine, frame())
        waiting = other.submit(mine.exec_driver_sql, "SELECT count(*), SLEEP(60)")
        while not [item for item in MYSQL.activity(own) if item.statement]:
            assert not waiting.done()
        assert not MYSQL.has_ended(own, begun)
        MYSQL.cancel(own, begun)
        assert MYSQL.has_ended(own, begun)
        error = waiting.exception()
        assert error is None or not MYSQL.may_retry(error)
        mine.invalidate()


@pytest.mark.mariadb
@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("CREATE TABLE u (id int)", True),
        ("CREATE TABLE IF NOT EXISTS t (id int)", False),
        ("ALTER TABLE `t` ADD m int", True),
        ("ALTER TABLE t RENAME TO v", True),
        ("CREATE INDEX ix ON t (n)", True),
        ("DROP TABLE t", True),
        ("DROP TABLE IF EXISTS nowhere", False),
        ("RENAME TABLE t TO v", True),
    ],
)
def test_the_catalog_tells(own: Connection, text: str, seen: bool) -> None:
    own.exec_driver_sql("CREATE TABLE t (id int PRIMARY KEY AUTO_INCREMENT, n int)")
    before = MYSQL.fingerprint(own, text)
    own.exec_driver_sql("INSERT INTO t (n) VALUES (7)")
    assert MYSQL.fingerprint(own, text) == before
    own.exec_driver_sql(text)
    assert (MYSQL.fingerprint(own, text) != before) is seen
    assert MYSQL.fingerprint(own, "DROP TABLE nowhere.t") == MYSQL.fingerprint(own, "DROP TABLE absent")


@pytest.mark.mariadb
def test_the_journal_takes_any_text_on_two_connections(mariadb: MariadbServer) -> None:
    """Whatever the database's character set; and neither of a step's two connections waits for the other."""
    mariadb.execute("CREATE DATABASE IF NOT EXISTS old_days CHARACTER SET latin1")
    url = mariadb.url("old_days")
    tables = MYSQL.tables
    with connected(url) as beside, migrating(url) as mine:
        MYSQL.prepare(beside)
        tables.write_identity(beside, IDENTITY)
        beside.commit()
        MYSQL.watch(beside)
        tables.note(mine, "a", Journaled(1, "0" * 64, "transaction", Durability.DONE, "žluť 🌻"))
        for number in (2, 3, 2):
            tables.note(beside, "a", Journaled(number, "0" * 64, "statement", Durability.IN_DOUBT, "🌻"))
            tables.mark(beside, "a", number, Durability.DONE)
        mine.commit()
        assert [item.n for item in tables.read_trace(beside, "a").durable] == [1, 2, 3]
    mariadb.execute("DROP DATABASE old_days")


@pytest.mark.mariadb
def test_what_can_not_be_written_down_is_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mariadb: MariadbServer, mariadb_url: str
) -> None:
    """A firewall or an administrator ended the connection that writes the journal."""
    monkeypatch.chdir(tmp_path)
    database = make_url(mariadb_url).database
    project = governed(tmp_path, (f"dev={mariadb_url}",))
    slow = "DO SLEEP(2)"
    project.script("aaaa", upgrade=f'op.execute("{slow}"); op.create_table("late", sa.Column("id", sa.Integer))')
    project.flow("track", actor=ADA)
    aside = f"""SELECT a.id FROM information_schema.processlist a JOIN information_schema.processlist s ON s.db = a.db
WHERE a.db = '{database}' AND a.command = 'Sleep' AND s.info = '{slow}'"""
    holders = "SELECT connection FROM migrate_flow_holder"

    def end() -> int:
        until, found = time.monotonic() + 30, []
        while not found and time.monotonic() < until:
            time.sleep(0.05)
            found = mariadb.execute(aside, database=database)
        keep = mariadb.execute(holders, database=database)
        for (process,) in set(found) - set(keep):
            mariadb.execute(f"KILL {process}")
        return len(set(found) - set(keep))

    with ThreadPoolExecutor() as beside:
        ended = beside.submit(end)
        report = project.json("apply", "--env", "dev", actor=ADA, code=3)
        assert ended.result() == 1
    assert report["steps"][0]["outcome"] == "failed"
    assert "the connection beside the step was ended" in report["steps"][0]["error"]
    assert not mariadb.execute("SHOW TABLES LIKE 'late'", database=database)
