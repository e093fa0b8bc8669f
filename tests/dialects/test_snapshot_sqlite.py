"""Snapshots of SQLite: what means the same is equal, whoever wrote it and however; few statements tell it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Column, Integer, event

from migrate_flow.core.facts import Identity
from migrate_flow.core.snapshot import Snapshot, from_document, reordered
from tests.dialects.sqlite_zoo import SQLITE, VERSION_TABLE, ZOO, driver, opened, snapshot_of_file, taken, told


@pytest.fixture(scope="module")
def zoo() -> Snapshot:
    return taken(ZOO)


def test_the_zoo_is_seen_whole(zoo: Snapshot) -> None:
    kinds = {item.kind for item in zoo.objects.values()}
    assert kinds == {"table", "column", "constraint", "index", "view", "trigger", "virtual table"}
    assert len(zoo.objects) == 35
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
        driver(connection).execute("VACUUM INTO ?", (str(tmp_path / "vacuumed.db"),))
        driver(connection).execute("DROP TABLE words")  # Python's dump can't restore a virtual table by itself
        dump = "\n".join(driver(connection).iterdump())
        without = SQLITE.snapshot(connection)
    assert snapshot_of_file(tmp_path / "copy.db") == snapshot_of_file(tmp_path / "vacuumed.db") == zoo
    assert taken(dump) == without
    assert taken(dump, "CREATE VIRTUAL TABLE words USING fts5(word, meaning)") == zoo


def test_it_survives_its_document(zoo: Snapshot) -> None:
    assert from_document(zoo.to_document()) == zoo
    assert from_document(zoo.to_document()).fingerprint == zoo.fingerprint


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


@pytest.mark.parametrize("module", ["fts3", "fts4", "fts5", "rtree", "rtree_i32"])
def test_what_is_behind_a_virtual_table_is_no_table_of_its_own(module: str) -> None:
    arguments = "id, low, high" if module.startswith("rtree") else "word"
    beside = "CREATE TABLE words_of (n int); CREATE TABLE wordsXidx (n int); "
    try:
        snapshot = taken(beside, f"CREATE VIRTUAL TABLE words USING {module}({arguments})")
    except sqlite3.OperationalError as error:
        pytest.skip(str(error))  # this SQLite was built without it
    tops = [key for key, item in snapshot.objects.items() if item.kind.endswith("table")]
    assert tops == ["table wordsXidx", "table words_of", "virtual table words"]


def test_a_table_that_only_looks_like_one_behind_a_virtual_table() -> None:
    virtual = "CREATE VIRTUAL TABLE words USING fts5(word)"
    (change,) = told(taken(virtual), taken(virtual, "CREATE TABLE words_stat (n int)"))
    assert (change.object, change.change) == ("table words_stat", "added")


def test_a_view_that_goes_takes_its_triggers_with_it(zoo: Snapshot) -> None:
    (change,) = told(zoo, taken(ZOO, "DROP VIEW people"))
    assert (change.object, change.change) == ("view people", "removed")
    assert "trigger: taken" in change.expected


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
    assert counts == {'"Odd ""name"': 0, "grade": 0, "person": 0, "team": 2, "words": 1, "words_stat": 0}


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
