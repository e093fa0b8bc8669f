"""Snapshots of MariaDB: equal after a dump and its restore, each kind of change found and named."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Connection, create_engine, event, make_url, pool

from migrate_flow.core.facts import Identity
from migrate_flow.core.snapshot import Difference, Snapshot, difference, from_document, reordered
from migrate_flow.dialects import dialect_for
from migrate_flow.dialects.snapshot_mysql import in_one_form

if TYPE_CHECKING:
    from tests.support.mariadb import MariadbServer

MARIADB = dialect_for("mariadb")
ZOO = (Path(__file__).parent / "zoo" / "mariadb.sql").read_text()
VERSION_TABLE = frozenset({"alembic_version"})
STATEMENTS = 14  # and one for each sequence
SETTINGS = "SELECT @@sql_mode, @@time_zone, @@sql_quote_show_create, @@autocommit"
server = pytest.mark.mariadb


@contextmanager
def connected(url: str, *, database: str = "") -> Iterator[Connection]:
    made = make_url(url).set(drivername="mysql+pymysql")
    with create_engine(made.set(database=database or made.database), poolclass=pool.NullPool).connect() as connection:
        yield connection


def taken(url: str) -> Snapshot:
    with connected(url) as connection:
        return MARIADB.snapshot(connection, VERSION_TABLE)


def told(before: Snapshot, after: Snapshot) -> Sequence[Difference]:
    found = difference(before, after)
    assert isinstance(found, tuple)
    return found


def run(mariadb: MariadbServer, url: str, script: str, *, program: str = "mariadb", options: Sequence[str] = ()) -> str:
    """One of the package's programs on a database: its standard output."""
    name = str(make_url(url).database)
    command = [program, "--no-defaults", f"--socket={mariadb.socket}", "--user=root", *options, name]
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def source(mariadb: MariadbServer) -> Iterator[str]:
    """A database with the whole zoo; a test that changes it puts it back."""
    url = mariadb.create_database()
    run(mariadb, url, ZOO)
    yield url
    mariadb.drop_database(url)


@pytest.fixture(scope="module")
def zoo(source: str) -> Snapshot:
    return taken(source)


@server
def test_the_zoo_is_seen_whole(zoo: Snapshot) -> None:
    kinds = {item.kind for item in zoo.objects.values()}
    assert kinds == {
        *("table", "column", "constraint", "index", "view", "trigger", "function", "procedure", "event", "sequence")
    }
    assert (zoo.normaliser, len(zoo.objects)) == ("mariadb/1", 43)
    assert zoo.server_major.count(".") == 1
    assert dict(zoo.objects["column person.more"].definition) == {"type": "json"}
    assert dict(zoo.objects["index person.person_bio"].definition) == {"columns": "bio(20), age desc"}
    assert from_document(zoo.to_document()) == zoo


@server
def test_a_restored_dump_is_equal(mariadb: MariadbServer, source: str, mariadb_url: str, zoo: Snapshot) -> None:
    parts = ("--routines", "--events", "--triggers")
    dump = run(mariadb, source, "", program="mariadb-dump", options=parts)
    run(mariadb, mariadb_url, dump)
    assert told(zoo, taken(mariadb_url)) == ()
    assert taken(mariadb_url) == zoo  # in another database: its name is nowhere


@server
@pytest.mark.parametrize(
    ("statement", "back", "found", "change"),
    [
        ("CREATE TABLE new (id int)", "DROP TABLE new", "table new", "added"),
        ("ALTER TABLE plain ENGINE=InnoDB", "ALTER TABLE plain ENGINE=MyISAM", "table plain", "changed"),
        ("ALTER TABLE team ROW_FORMAT=DYNAMIC", "ALTER TABLE team ROW_FORMAT=COMPRESSED", "table team", "changed"),
        ("ALTER TABLE team COMMENT='x'", "ALTER TABLE team COMMENT='teams'", "table team", "changed"),
        ("ALTER TABLE plain COLLATE latin1_bin", "ALTER TABLE plain COLLATE utf8mb4_bin", "table plain", "changed"),
        (
            "ALTER TABLE event REORGANIZE PARTITION p0 INTO (PARTITION q VALUES LESS THAN (5), PARTITION p0 VALUES "
            "LESS THAN (10))",
            "ALTER TABLE event REORGANIZE PARTITION q, p0 INTO (PARTITION p0 VALUES LESS THAN (10))",
            "table event",
            "changed",
        ),
        ("ALTER TABLE plain ADD d int", "ALTER TABLE plain DROP d", "column plain.d", "added"),
        ("ALTER TABLE plain MODIFY a bigint", "ALTER TABLE plain MODIFY a int", "column plain.a", "changed"),
        ("ALTER TABLE plain MODIFY a int NOT NULL", "ALTER TABLE plain MODIFY a int", "column plain.a", "changed"),
        ("ALTER TABLE plain ALTER a SET DEFAULT 1", "ALTER TABLE plain ALTER a DROP DEFAULT", "column plain.a",
         "changed"),
        ("ALTER TABLE plain MODIFY a int COMMENT 'x'", "ALTER TABLE plain MODIFY a int", "column plain.a", "changed"),
        (
            "ALTER TABLE person MODIFY kept int AS (age + 2) STORED",
            "ALTER TABLE person MODIFY kept int AS (age + 1) STORED",
            "column person.kept",
            "changed",
        ),
        ("ALTER TABLE person MODIFY more longtext", "ALTER TABLE person MODIFY more json", "column person.more",
         "changed"),
        (
            "ALTER TABLE person MODIFY at datetime DEFAULT current_timestamp()",
            "ALTER TABLE person MODIFY at datetime DEFAULT current_timestamp() ON UPDATE current_timestamp()",
            "column person.at",
            "changed",
        ),
        ("CREATE INDEX more ON plain (b)", "DROP INDEX more ON plain", "index plain.more", "added"),
        (
            "ALTER TABLE person ALTER INDEX person_old NOT IGNORED",
            "ALTER TABLE person ALTER INDEX person_old IGNORED",
            "index person.person_old",
            "changed",
        ),
        (
            "ALTER TABLE team DROP KEY team_name, ADD KEY team_name (name)",
            "ALTER TABLE team DROP KEY team_name, ADD UNIQUE KEY team_name (name)",
            "index team.team_name",
            "changed",
        ),
        ("ALTER TABLE plain ADD PRIMARY KEY (b, c)",
         "ALTER TABLE plain DROP PRIMARY KEY, MODIFY b int, MODIFY c int", "constraint plain.PRIMARY", "added"),
        (
            "ALTER TABLE person DROP FOREIGN KEY person_team; ALTER TABLE person "
            "ADD CONSTRAINT person_team FOREIGN KEY (team_id) "
            "REFERENCES team (id)",
            "ALTER TABLE person DROP FOREIGN KEY person_team; ALTER TABLE person "
            "ADD CONSTRAINT person_team FOREIGN KEY (team_id) "
            "REFERENCES team (id) ON DELETE SET NULL ON UPDATE CASCADE",
            "constraint person.person_team",
            "changed",
        ),
        (
            "ALTER TABLE plain ADD CONSTRAINT few CHECK (a < 3)",
            "ALTER TABLE plain DROP CONSTRAINT few",
            "constraint plain.few",
            "added",
        ),
        ("CREATE VIEW more AS SELECT 1", "DROP VIEW more", "view more", "added"),
        ("ALTER SQL SECURITY DEFINER VIEW young AS SELECT * FROM people WHERE id < 9 WITH CASCADED CHECK OPTION",
         "ALTER SQL SECURITY INVOKER VIEW young AS SELECT * FROM people WHERE id < 9 WITH CASCADED CHECK OPTION",
         "view young", "changed"),
        (
            "CREATE OR REPLACE TRIGGER touch BEFORE UPDATE ON person FOR EACH ROW SET new.bio = concat(new.bio, ' x')",
            "CREATE OR REPLACE TRIGGER touch BEFORE UPDATE ON person FOR EACH ROW SET new.bio = concat(new.bio, '  x')",
            "trigger person.touch",
            "changed",
        ),
        (
            "CREATE OR REPLACE FUNCTION one_more(x bigint) RETURNS int DETERMINISTIC RETURN x + 1",
            "CREATE OR REPLACE FUNCTION one_more(x int) RETURNS int DETERMINISTIC RETURN x + 1",
            "function one_more",
            "changed",
        ),
        ("ALTER PROCEDURE tidy COMMENT 'y'", "ALTER PROCEDURE tidy COMMENT 'x'", "procedure tidy", "changed"),
        ("ALTER EVENT nightly DISABLE", "ALTER EVENT nightly ENABLE", "event nightly", "changed"),
        ("ALTER SEQUENCE numbers CACHE 20", "ALTER SEQUENCE numbers CACHE 10", "sequence numbers", "changed"),
    ],
)  # fmt: skip
def test_a_change_is_named(
    source: str, zoo: Snapshot, mariadb: MariadbServer, statement: str, back: str, found: str, change: str
) -> None:
    run(mariadb, source, statement)
    try:
        changes = told(zoo, taken(source))
    finally:
        run(mariadb, source, back)
    assert (found, change) in {(item.object, item.change) for item in changes}
    assert len(changes) <= 3
    assert told(zoo, taken(source)) == ()


@server
def test_harmless_acts_make_no_difference(mariadb: MariadbServer, source: str, zoo: Snapshot) -> None:
    harmless = """
    INSERT INTO team (name) VALUES ('x'), ('y'); DELETE FROM team WHERE name = 'y'; ALTER TABLE team AUTO_INCREMENT=900;
    SELECT nextval(numbers); ANALYZE TABLE team; OPTIMIZE TABLE plain; INSERT INTO plain VALUES (1, 2, 3);
    CREATE TEMPORARY TABLE passing (id int); SET SESSION sql_mode = 'ANSI_QUOTES'"""
    run(mariadb, source, harmless)
    assert taken(source) == zoo


@server
def test_the_order_of_columns_is_kept_apart(mariadb: MariadbServer, source: str, zoo: Snapshot) -> None:
    run(mariadb, source, "ALTER TABLE plain MODIFY a int AFTER c")
    after = taken(source)
    run(mariadb, source, "ALTER TABLE plain MODIFY a int FIRST")
    assert told(zoo, after) == ()
    assert reordered(zoo, after) == ("table plain",)


@server
def test_the_session_is_left_as_it_was(source: str, zoo: Snapshot) -> None:
    with connected(source) as connection:
        connection.exec_driver_sql("SET SESSION sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT', time_zone = '+09:00'")
        before = connection.exec_driver_sql(SETTINGS).one()
        sent: list[str] = []
        event.listen(connection, "before_cursor_execute", lambda *args: sent.append(args[2]))
        assert MARIADB.snapshot(connection) == zoo
        assert len(sent) == STATEMENTS + 1
        assert connection.exec_driver_sql(SETTINGS).one() == before


@server
def test_it_commits_nothing(mariadb_url: str) -> None:
    with connected(mariadb_url) as connection:
        connection.exec_driver_sql("CREATE TABLE t (id int)")
        connection.exec_driver_sql("CREATE SEQUENCE s")
        connection.exec_driver_sql("INSERT INTO t VALUES (1)")
        MARIADB.snapshot(connection)
        assert MARIADB.row_counts(connection) == {"t": 1}
        connection.rollback()
        assert MARIADB.row_counts(connection) == {"t": 0}


@server
def test_it_asks_as_often_for_many_tables(mariadb_url: str) -> None:
    with connected(mariadb_url) as connection:
        for n in range(25):
            connection.exec_driver_sql(f"CREATE TABLE t{n} (id int PRIMARY KEY, n int UNIQUE, CHECK (n > 1))")
        sent: list[str] = []
        event.listen(connection, "before_cursor_execute", lambda *args: sent.append(args[2]))
        assert len(MARIADB.snapshot(connection).column_order) == 25
        assert len(sent) == STATEMENTS
        sent.clear()
        assert len(MARIADB.row_counts(connection)) == 25
        assert len(sent) == 2


@server
def test_our_own_tables_and_the_version_table_are_left_out(mariadb_url: str) -> None:
    with connected(mariadb_url) as connection:
        connection.exec_driver_sql("CREATE TABLE t (id int)")
        connection.commit()
        before = MARIADB.snapshot(connection)
        MARIADB.prepare(connection)
        MARIADB.tables.write_identity(connection, Identity("uuid", "shop", "dev", "ledger"))
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
        assert MARIADB.snapshot(connection, VERSION_TABLE) == before
        assert MARIADB.row_counts(connection, VERSION_TABLE) == {"t": 0}
        assert [item.object for item in told(before, MARIADB.snapshot(connection))] == ["table alembic_version"]


@pytest.mark.parametrize(
    ("printed", "form"),
    [
        ("select `shop`.`t`.`id` AS `id`\n  from `shop`.`t`", "select `t`.`id` AS `id` from `t`"),
        ("concat('`shop`.  ', `other`.`f`(1))", "concat('`shop`.  ', `other`.`f`(1))"),
        ("`t`.`shop` = `shop`.`shop`", "`t`.`shop` = `shop`"),
        ("`other`.`shop`.`n`", "`other`.`shop`.`n`"),
        ('a = "x  `shop`.y"', 'a = "x  `shop`.y"'),
        (r"a = 'it\'s  `shop`.'  + 1", r"a = 'it\'s  `shop`.' + 1"),
        (None, ""),
    ],
)
def test_the_name_of_the_database_does_not_count(printed: str | None, form: str) -> None:
    assert in_one_form(printed, "`shop`") == form
