"""Snapshots of SQLite: what means the same is equal, each kind of change is found and named."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Column, Connection, Integer, create_engine, event, pool

from migrate_flow.core.facts import Identity
from migrate_flow.core.snapshot import Difference, Snapshot, difference, from_document, reordered
from migrate_flow.dialects import dialect_for

SQLITE = dialect_for("sqlite")
ZOO = (Path(__file__).parent / "zoo" / "sqlite.sql").read_text()
VERSION_TABLE = frozenset({"alembic_version"})


@contextmanager
def opened(*scripts: str) -> Iterator[Connection]:
    """A fresh database in memory, after these scripts."""
    engine = create_engine("sqlite://", poolclass=pool.StaticPool)
    with engine.connect() as connection:
        for script in scripts:
            driver(connection).executescript(script)
        yield connection
    engine.dispose()


def driver(connection: Connection) -> sqlite3.Connection:
    found = connection.connection.driver_connection
    assert isinstance(found, sqlite3.Connection)
    return found


def taken(*scripts: str) -> Snapshot:
    with opened(*scripts) as connection:
        return SQLITE.snapshot(connection, VERSION_TABLE)


def told(before: Snapshot, after: Snapshot) -> Sequence[Difference]:
    found = difference(before, after)
    assert isinstance(found, tuple)
    return found


@pytest.fixture(scope="module")
def zoo() -> Snapshot:
    return taken(ZOO)


def test_the_zoo_is_seen_whole(zoo: Snapshot) -> None:
    kinds = {item.kind for item in zoo.objects.values()}
    assert kinds == {"table", "column", "constraint", "index", "view", "trigger", "virtual table"}
    assert len(zoo.objects) == 31
    assert (zoo.normaliser, zoo.server_major) == ("sqlite/1", "3")
    assert dict(zoo.objects["column person.half"].definition) == {"type": "INTEGER", "generated": "virtual: age / 2"}
    assert dict(zoo.objects["table grade"].definition) == {"options": "strict, without rowid"}
    fk = zoo.objects["constraint person.foreign key (team_id) references team (id)"]
    assert dict(fk.definition) == {"deferred": "yes", "on delete": "set null"}


def test_a_copy_and_a_restored_dump_are_equal(zoo: Snapshot, tmp_path: Path) -> None:
    with opened(ZOO) as connection:
        copy = sqlite3.connect(tmp_path / "copy.db")
        driver(connection).backup(copy)
        copy.close()
        driver(connection).execute("DROP TABLE words")  # Python's dump can't restore a virtual table by itself
        dump = "\n".join(driver(connection).iterdump())
        without = SQLITE.snapshot(connection)
    engine = create_engine(f"sqlite:///{tmp_path / 'copy.db'}", poolclass=pool.NullPool)
    with engine.connect() as connection:
        assert SQLITE.snapshot(connection) == zoo
    assert taken(dump) == without


def test_it_survives_its_document(zoo: Snapshot) -> None:
    assert from_document(zoo.to_document()) == zoo
    assert from_document(zoo.to_document()).fingerprint == zoo.fingerprint


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("CREATE TABLE new (id int)", ("table new", "added")),
        ("DROP TABLE grade", ("table grade", "removed")),
        ("ALTER TABLE team ADD COLUMN n int", ("column team.n", "added")),
        ("ALTER TABLE team ADD COLUMN n int CHECK (n > 0)", ("constraint team.check (n > 0)", "added")),
        ("ALTER TABLE person DROP COLUMN born", ("column person.born", "removed")),
        ("DROP INDEX ix_team", ("index ix_team", "removed")),
        ("DROP INDEX ix_team; CREATE INDEX ix_team ON team (name)", ("index ix_team", "changed")),
        ("DROP INDEX ix_team; CREATE UNIQUE INDEX ix_team ON team (name COLLATE BINARY)", ("index ix_team", "changed")),
        ("CREATE INDEX more ON team (id)", ("index more", "added")),
        ("DROP VIEW people", ("view people", "removed")),
        ("DROP VIEW people; CREATE VIEW people AS SELECT 'A b' AS x", ("view people", "changed")),
        ("DROP TRIGGER touched", ("trigger team.touched", "removed")),
        ("DROP TABLE words; CREATE VIRTUAL TABLE words USING fts5(word)", ("virtual table words", "changed")),
    ],
)
def test_a_change_is_named(zoo: Snapshot, statement: str, found: tuple[str, str]) -> None:
    changes = {(item.object, item.change) for item in told(zoo, taken(ZOO, statement))}
    assert found in changes
    assert len(changes) <= 2  # a new column beside its check


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ("a int", "a text", ("column t.a", "type: INTEGER", "type: TEXT")),
        ("a int", "a int NOT NULL", ("column t.a", "not null: (not set)", "not null")),
        ("a int DEFAULT 1", "a int DEFAULT '1'", ("column t.a", "default: 1", "default: '1'")),
        ("a text", "a text COLLATE nocase", ("column t.a", "collation: (not set)", "collation: nocase")),
        ("b, a int AS (1)", "b, a int AS (2)", ("column t.a", "generated: virtual: 1", "generated: virtual: 2")),
        (
            "id INTEGER PRIMARY KEY",
            "id INTEGER PRIMARY KEY AUTOINCREMENT",
            ("constraint t.primary key (id)", "autoincrement: (not set)", "autoincrement"),
        ),
        (
            "a int REFERENCES u (id)",
            "a int REFERENCES u (id) ON DELETE CASCADE",
            ("constraint t.foreign key (a) references u (id)", "on delete: (not set)", "on delete: cascade"),
        ),
        (
            "a int, UNIQUE (a)",
            "a int, UNIQUE (a) ON CONFLICT IGNORE",
            ("constraint t.unique (a)", "on conflict: (not set)", "on conflict: ignore"),
        ),
    ],
)
def test_a_column_or_constraint_that_changes(one: str, other: str, found: tuple[str, str, str]) -> None:
    (item,) = told(taken(f"CREATE TABLE t ({one})"), taken(f"CREATE TABLE t ({other})"))
    assert (item.object, item.expected, item.observed) == found
    assert item.change == "changed"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CREATE TABLE t (a int)", 'create  table\n"t" ( [a]\tINT ) -- why\n'),
        ("CREATE TABLE t (a varchar(8))", "CREATE TABLE t (a VARCHAR ( 8 ))"),
        ("CREATE TABLE t (a int PRIMARY KEY)", "CREATE TABLE t (a int, CONSTRAINT pk_t PRIMARY KEY (a ASC))"),
        ("CREATE TABLE t (a INTEGER PRIMARY KEY)", "CREATE TABLE t (a INTEGER NOT NULL, PRIMARY KEY (a))"),
        ("CREATE TABLE t (a int UNIQUE)", "CREATE TABLE t (a int, UNIQUE ([a]) ON CONFLICT ABORT)"),
        ("CREATE TABLE t (a int CHECK (a>0))", 'CREATE TABLE t (a int, CONSTRAINT ck CHECK (("A" > 0)))'),
        ("CREATE TABLE t (a int CHECK (a = 'x  Y'))", "CREATE TABLE t (a int CHECK (a == /* c */ 'x  Y'))"),
        ("CREATE TABLE t (a int DEFAULT 1)", "CREATE TABLE t (a int DEFAULT ( (1) ))"),
        (
            "CREATE TABLE u (id int PRIMARY KEY); CREATE TABLE t (a int REFERENCES u)",
            "CREATE TABLE u (id int PRIMARY KEY); CREATE TABLE t (a int, FOREIGN KEY (a) REFERENCES u (id) MATCH FULL "
            "ON DELETE NO ACTION NOT DEFERRABLE)",
        ),
        (
            "CREATE TABLE t (a, b); CREATE INDEX i ON t (a, b DESC) WHERE a>1",
            'CREATE TABLE t (a, b); create index IF NOT EXISTS "i" on "t" ("a" ASC, b desc) where (a > 1)',
        ),
        (
            "CREATE TABLE t (a); CREATE VIEW v AS SELECT a FROM t",
            'CREATE TABLE t (a); CREATE VIEW IF NOT EXISTS "v" AS\n  select "a" FROM [t] -- all',
        ),
        (
            "CREATE TABLE t (a); CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM t; END",
            "CREATE TABLE t (a); CREATE TRIGGER r AFTER INSERT ON t FOR EACH ROW BEGIN\n DELETE FROM t;\nEND",
        ),
        ("CREATE TABLE t (a int, b int)", "CREATE TABLE t (a int); ALTER TABLE t ADD COLUMN b int"),
        (
            "CREATE TABLE t (a int, b int CHECK (b > a))",
            "CREATE TABLE s (c int, b int CHECK (b > c)); ALTER TABLE s RENAME TO t; ALTER TABLE t RENAME c TO a",
        ),
    ],
)
def test_what_means_the_same_is_equal(one: str, other: str) -> None:
    assert taken(one).fingerprint == taken(other).fingerprint


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CREATE TABLE t (a int CHECK (a = 'x'))", "CREATE TABLE t (a int CHECK (a = 'X'))"),
        ("CREATE TABLE t (a int CHECK (a = 'x  y'))", "CREATE TABLE t (a int CHECK (a = 'x y'))"),
        ("CREATE TABLE t (a INTEGER PRIMARY KEY)", "CREATE TABLE t (a INTEGER PRIMARY KEY DESC)"),
        ("CREATE TABLE t (a INTEGER PRIMARY KEY)", "CREATE TABLE t (a INT NOT NULL PRIMARY KEY)"),
        ("CREATE VIEW v AS SELECT 'a -- b' AS x", "CREATE VIEW v AS SELECT 'a' AS x"),
        ('CREATE TABLE t ("true" int CHECK ("true"))', 'CREATE TABLE t ("true" int CHECK (true))'),
        ("CREATE TABLE t (a, b, UNIQUE (a, b))", "CREATE TABLE t (a, b, UNIQUE (b, a))"),
    ],
)
def test_what_means_something_else_is_not(one: str, other: str) -> None:
    assert told(taken(one), taken(other))


def test_the_order_of_columns_is_kept_apart() -> None:
    one, other = taken("CREATE TABLE t (a int, b int)"), taken("CREATE TABLE t (b int, a int)")
    assert one.fingerprint == other.fingerprint
    assert told(one, other) == ()
    assert reordered(one, other) == ("table t",)
    assert one != other


def test_a_table_that_batch_mode_has_rebuilt_is_equal() -> None:
    script = """
    CREATE TABLE team (id INTEGER PRIMARY KEY, name VARCHAR(20) DEFAULT 'it''s' NOT NULL,
      CONSTRAINT uq_name UNIQUE (name));
    CREATE TABLE person (id INTEGER PRIMARY KEY, age NUMERIC(5,2) DEFAULT (1 + 1),
      team_id INT, CONSTRAINT uq UNIQUE (age, team_id),
      FOREIGN KEY(team_id) REFERENCES team (id) ON DELETE CASCADE);
    CREATE INDEX ix_age ON person (age)"""
    with opened(script) as connection:
        before = SQLITE.snapshot(connection)
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("person", recreate="always") as batch:
            batch.add_column(Column("extra", Integer))
        between = SQLITE.snapshot(connection)
        with operations.batch_alter_table("person", recreate="always") as batch:
            batch.drop_column("extra")
        with operations.batch_alter_table("team", recreate="always"):
            pass
        after = SQLITE.snapshot(connection)
    assert [item.object for item in told(before, between)] == ["column person.extra"]
    assert told(before, after) == ()


def test_harmless_acts_make_no_difference(zoo: Snapshot) -> None:
    harmless = """
    ANALYZE; REINDEX; DELETE FROM team; INSERT INTO team (id, name) VALUES (99, 'z'); DELETE FROM words;
    CREATE TEMP TABLE passing (id int); CREATE TEMP VIEW seen AS SELECT 1; PRAGMA user_version = 7; VACUUM"""
    assert taken(ZOO, harmless) == zoo


def test_our_own_tables_and_the_version_table_are_left_out(zoo: Snapshot) -> None:
    version = (
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT pk PRIMARY KEY (version_num));"
    )
    with opened(ZOO, version, "CREATE INDEX ix_version ON alembic_version (version_num)") as connection:
        SQLITE.tables.write_identity(connection, Identity("uuid", "shop", "dev", "ledger"))
        assert SQLITE.snapshot(connection, VERSION_TABLE) == zoo
        assert SQLITE.snapshot(connection, frozenset({"main.Alembic_Version"})) == zoo
        assert "table alembic_version" in SQLITE.snapshot(connection).objects
        counts = SQLITE.row_counts(connection, VERSION_TABLE)
    assert counts == {'"Odd ""name"': 0, "grade": 0, "person": 0, "team": 2, "words": 1}


def test_it_looks_inside_of_a_transaction_and_leaves_it_open() -> None:
    with opened("CREATE TABLE t (a int)") as connection:
        driver(connection).isolation_level = None
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql("CREATE TABLE u (b int)")
        assert "table u" in SQLITE.snapshot(connection).objects
        assert driver(connection).in_transaction
        connection.exec_driver_sql("ROLLBACK")
        assert list(SQLITE.snapshot(connection).column_order) == ["table t"]


def test_it_asks_as_often_for_many_tables() -> None:
    many = "".join(f"CREATE TABLE t{n} (id int UNIQUE, n int REFERENCES t0 (id));" for n in range(40))
    with opened(many) as connection:
        sent: list[str] = []
        event.listen(connection, "before_cursor_execute", lambda *args: sent.append(args[2]))
        SQLITE.snapshot(connection)
    assert len(sent) == 2


def test_text_that_no_reader_knows_is_compared_as_it_is() -> None:
    with opened("CREATE TABLE t (a int)") as connection:
        connection.exec_driver_sql("PRAGMA writable_schema = ON")
        connection.exec_driver_sql("UPDATE sqlite_master SET sql = 'CREATE TABLE t (a int CHECK)'")
        snapshot = SQLITE.snapshot(connection)
    assert "create table t(a int check)" in dict(snapshot.objects["table t"].definition)["options"]
