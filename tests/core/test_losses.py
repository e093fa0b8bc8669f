"""What an upgrade drops: told from statements that a real SQLite ran, and from others' ways to write them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, pool

from migrate_flow.core.losses import losses
from migrate_flow.core.snapshot import SchemaObject, Snapshot, snapshot_of
from migrate_flow.dialects import dialect_for

PEOPLE, NOTES = (
    "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, age INT)",
    "CREATE TABLE notes (name TEXT, n INT)",
)
TEMPORARY = "CREATE TABLE _alembic_tmp_people (id INTEGER PRIMARY KEY, full_name TEXT, age TEXT)"
SWAP = ("DROP TABLE people", "ALTER TABLE _alembic_tmp_people RENAME TO people")


def on_sqlite(statements: Sequence[str]) -> tuple[str, ...]:
    engine = create_engine("sqlite://", poolclass=pool.StaticPool)
    with engine.connect() as connection:
        for statement in (PEOPLE, NOTES):
            connection.exec_driver_sql(statement)
        before = dialect_for("sqlite").snapshot(connection)
        for statement in statements:
            connection.exec_driver_sql(statement)
        return losses(before, dialect_for("sqlite").snapshot(connection), statements)


def schema(**tables: str) -> Snapshot:
    found = []
    for table, columns in tables.items():
        found.append(SchemaObject("table", table))
        found += [SchemaObject("column", f"{table}.{column}", (), f"table {table}") for column in columns.split()]
    return snapshot_of(found, {}, normaliser="test/1", server_major="1")


@pytest.mark.parametrize(
    "statements",
    [
        ["ALTER TABLE people RENAME COLUMN name TO full_name"],
        ["ALTER TABLE people RENAME TO persons", 'ALTER TABLE "persons" RENAME name TO "Full Name"'],
        ["/* old */ ALTER TABLE -- so\n people RENAME /* column */ name TO title"],
        ["ALTER TABLE people ADD COLUMN note TEXT", "ALTER TABLE people DROP COLUMN note"],
        [TEMPORARY, "INSERT INTO _alembic_tmp_people (id, full_name, age) "
         "SELECT people.id, people.name, CAST(people.age AS TEXT) AS age FROM people", *SWAP],
        ["CREATE TABLE old AS SELECT * FROM people", "DROP TABLE people", PEOPLE,
         "INSERT INTO people SELECT id, name, age FROM old", "DROP TABLE old"],
        ["ALTER TABLE people RENAME TO old", PEOPLE, "INSERT INTO people SELECT * FROM old", "DROP TABLE old"],
        ["CREATE TABLE fresh (n INT)", "INSERT INTO fresh VALUES (1)", "DELETE FROM fresh", "DROP TABLE fresh"],
        ["CREATE TRIGGER t AFTER DELETE ON people BEGIN DELETE FROM notes; END"],
        ["CREATE TABLE lines (id INT REFERENCES people (id) ON DELETE CASCADE)"],
        ["INSERT INTO notes (name) VALUES ('x; DELETE FROM people; --')", "-- DELETE FROM people\nSELECT 1"],
    ],
)  # fmt: skip
def test_nothing_is_dropped(statements: list[str]) -> None:
    assert on_sqlite(statements) == ()


@pytest.mark.parametrize(
    ("statements", "lost"),
    [
        (["ALTER TABLE people DROP COLUMN age"], ["column people.age"]),
        (["DROP TABLE people"], ["table people"]),
        (["/* why */ DROP TABLE IF EXISTS \"People\" -- so"], ["table people"]),
        # The same name comes back, and nothing that was in it.
        (["ALTER TABLE people DROP COLUMN age", "ALTER TABLE people ADD COLUMN age INT"], ["column people.age"]),
        (["DROP TABLE people", PEOPLE], ["table people"]),
        # Another table's column of that name is renamed.
        (["ALTER TABLE notes RENAME COLUMN name TO title", "ALTER TABLE people DROP COLUMN name"],
         ["column people.name"]),
        # Another table is copied.
        (["CREATE TABLE x AS SELECT name, n FROM notes", "DROP TABLE notes", "ALTER TABLE people DROP COLUMN name"],
         ["column people.name"]),
        (["CREATE TABLE notes2 AS SELECT name FROM notes", "DROP TABLE notes", "ALTER TABLE notes2 RENAME TO notes"],
         ["column notes.n"]),
        ([TEMPORARY, "INSERT INTO _alembic_tmp_people (id, full_name) SELECT people.id, people.name FROM people",
          *SWAP], ["column people.age"]),
        # Not all of its rows.
        ([TEMPORARY, "INSERT INTO _alembic_tmp_people SELECT * FROM people WHERE id > 3", *SWAP], ["table people"]),
        # They may be elsewhere, in part or whole: nobody can tell.
        (["CREATE TABLE moved (age INT)", "INSERT INTO moved SELECT age FROM people",
          "ALTER TABLE people DROP COLUMN age"], ["column people.age"]),
        (["-- a comment\n/* and one more */ DELETE FROM people WHERE id = 1"], ["rows of people"]),
        (["WITH old AS (SELECT 1 AS id) DELETE FROM main.people WHERE id IN (SELECT id FROM old)"],
         ["rows of people"]),
        (["ALTER TABLE people RENAME TO persons", "DELETE FROM persons"], ["rows of people"]),
    ],
)  # fmt: skip
def test_what_is_dropped_is_named_as_it_was(statements: list[str], lost: list[str]) -> None:
    assert list(on_sqlite(statements)) == lost


@pytest.mark.parametrize(
    ("after", "text", "lost"),
    [
        ("id full_name age", "ALTER TABLE people CHANGE COLUMN name full_name VARCHAR(10), ADD x INT", ()),
        ("id full_name age", "ALTER TABLE `people` CHANGE `name` `full_name` TEXT NOT NULL", ()),
        ("id full_name age", "ALTER TABLE ONLY public.people RENAME name TO full_name", ()),
        ("id name age", "ALTER TABLE people ALTER COLUMN age TYPE smallint USING age::smallint", ()),
        ("id name age", "ALTER TABLE people DROP CONSTRAINT age, DROP INDEX name, DROP PRIMARY KEY", ()),
        ("id name", "ALTER TABLE people ADD CHECK (id IN (1, 2)), DROP COLUMN IF EXISTS age CASCADE",
         ("column people.age",)),
        ("id name age", "ALTER TABLE people DROP age, ADD COLUMN age text", ("column people.age",)),
        ("id name age", "TRUNCATE TABLE ONLY public.people CASCADE", ("rows of people",)),
        ("id name age", "DELETE people FROM people JOIN x USING (id)", ("rows of people",)),
        ("id name", "DO $$ BEGIN ALTER TABLE people DROP COLUMN age; END $$", ("column people.age",)),
        ("id name age", "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $x$ DELETE FROM people $x$", ()),
        ("id name age", "COMMENT ON TABLE people IS $$DELETE FROM people; DROP TABLE people$$", ()),
    ],
)  # fmt: skip
def test_other_servers_ways_to_write_it(after: str, text: str, lost: tuple[str, ...]) -> None:
    assert losses(schema(people="id name age"), schema(people=after), [text]) == lost


def test_tables_may_trade_places() -> None:
    before = schema(people="id", old="id")
    assert losses(before, before, ["RENAME TABLE people TO t, old TO people, t TO old"]) == ()


def test_a_column_that_is_called_as_its_table() -> None:
    copy = "INSERT INTO tmp (age) SELECT age.n FROM age; DROP TABLE age; ALTER TABLE tmp RENAME TO age"
    assert losses(schema(age="age n"), schema(age="age"), [copy]) == ("column age.age",)


def test_a_view_holds_nothing() -> None:
    view = [SchemaObject("view", "v"), SchemaObject("column", "v.n", (), "view v")]
    before = snapshot_of(view, {}, normaliser="test/1", server_major="1")
    assert losses(before, schema(), ["DROP VIEW v"]) == ()


_NAMES = st.sampled_from(["name", "age", "title", "order", "x y", "Grüße"])


@given(st.lists(st.tuples(st.sampled_from(["rename", "add"]), _NAMES, _NAMES), max_size=8), st.booleans())
def test_whatever_the_names_only_a_drop_drops(steps: list[tuple[str, str, str]], drop: bool) -> None:
    """Against a model: which name each of the columns has now."""
    now = {"id": "id", "name": "name", "age": "age"}  # name now -> name before, empty for a new one
    statements = []
    for what, old, new in steps:
        if new in now or (what == "rename" and old not in now):
            continue
        if what == "rename":
            now[new] = now.pop(old)
            statements.append(f'ALTER TABLE people RENAME COLUMN "{old}" TO "{new}"')
        else:
            now[new] = ""
            statements.append(f'ALTER TABLE people ADD COLUMN "{new}" TEXT')
    lost = []
    if drop:
        last = next(reversed([name for name in now if name != "id"]))
        statements.append(f'ALTER TABLE people DROP COLUMN "{last}"')
        lost = [f"column people.{now[last]}"] if now[last] else []
    assert list(on_sqlite(statements)) == lost
