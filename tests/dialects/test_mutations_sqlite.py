"""What somebody does to a SQLite file by hand: each change is found and named, and nothing else is."""

from __future__ import annotations

import shutil
import sqlite3
import tomllib
from pathlib import Path

import pytest

from migrate_flow.core.snapshot import Snapshot
from tests.dialects.sqlite_zoo import SQLITE, ZOO, by_hand, driver, opened, snapshot_of_file, told

ACTS = tomllib.loads((Path(__file__).parent / "mutations" / "sqlite.toml").read_text())


def rebuilt(table: str, old: str, new: str) -> str:
    """A script as SQLite's manual tells it: make a table with another name, move the rows, drop, rename.

    What stands on the table is made again behind it.
    """
    with opened(ZOO) as connection:
        query = "SELECT type, sql FROM sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL"
        found = driver(connection).execute(query, (table,)).fetchall()
        query = "SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0"
        columns = ", ".join(name for (name,) in driver(connection).execute(query, (table,)))
    ((made,), others) = [sql for kind, sql in found if kind == "table"], [sql for kind, sql in found if kind != "table"]
    assert old in made
    copy = made.replace(old, new).replace(f"CREATE TABLE {table}", "CREATE TABLE made_again", 1)
    moved = f"INSERT INTO made_again ({columns}) SELECT {columns} FROM {table}"
    steps = [copy, moved, f"DROP TABLE {table}", f"ALTER TABLE made_again RENAME TO {table}", *others]
    return "PRAGMA legacy_alter_table = ON; BEGIN; " + ";\n".join(steps) + "; COMMIT"


CHANGES = [(one.get("sql") or " ".join(["rebuild", *one["rebuild"]]), one) for one in ACTS["change"]]
HARMLESS = [
    (sql, sql) for group in ("data", "upkeep", "pragmas", "passing", "spelling") for sql in ACTS["harmless"][group]
]
HARMLESS += [(" ".join(["rebuild", *words]), rebuilt(*words)) for words in ACTS["harmless"]["rebuild"]]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zoo in a file, which is only copied."""
    file = tmp_path_factory.mktemp("zoo") / "zoo.db"
    by_hand(file, ZOO)
    return file


@pytest.fixture(scope="module")
def zoo(source: Path) -> Snapshot:
    return snapshot_of_file(source)


@pytest.fixture(scope="module")
def lived_in(source: Path) -> Path:
    """A zoo that harmless things are done to, one after the other."""
    return Path(shutil.copy(source, source.with_name("lived_in.db")))


@pytest.mark.parametrize("act", [act for _, act in CHANGES], ids=[name for name, _ in CHANGES])
def test_a_change_is_found_and_named(source: Path, tmp_path: Path, zoo: Snapshot, act: dict[str, list[str]]) -> None:
    file = Path(shutil.copy(source, tmp_path / "changed.db"))
    by_hand(file, str(act["sql"]) if "sql" in act else rebuilt(*act["rebuild"]))
    changes = told(zoo, snapshot_of_file(file))
    assert sorted(f"{item.object} {item.change}" for item in changes) == sorted(act["found"])
    assert all(item.object.startswith(f"{item.kind} ") and item.expected != item.observed for item in changes)


@pytest.mark.parametrize("script", [script for _, script in HARMLESS], ids=[name for name, _ in HARMLESS])
def test_nothing_is_found_after_what_is_harmless(lived_in: Path, zoo: Snapshot, script: str) -> None:
    by_hand(lived_in, script)
    assert told(zoo, snapshot_of_file(lived_in)) == ()


def test_nothing_is_found_from_a_session_of_another_kind() -> None:
    with opened(ZOO) as connection:
        before = SQLITE.snapshot(connection)
        for statement in (
            "CREATE TEMP TABLE team (other int, another text)",
            "CREATE TEMP VIEW named AS SELECT 1",
            "CREATE TEMP TABLE passing (id int)",
            "CREATE TEMP TRIGGER seen AFTER INSERT ON main.team BEGIN SELECT 1; END",
            "ATTACH ':memory:' AS elsewhere",
            "CREATE TABLE elsewhere.person (id int)",
            "PRAGMA case_sensitive_like = ON",
            "PRAGMA query_only = ON",
            "PRAGMA full_column_names = ON",
        ):
            driver(connection).execute(statement)
            assert SQLITE.snapshot(connection) == before


def test_nothing_is_found_while_somebody_writes(source: Path, tmp_path: Path, zoo: Snapshot) -> None:
    file = Path(shutil.copy(source, tmp_path / "busy.db"))
    writer = sqlite3.connect(file, isolation_level=None)
    try:
        writer.executescript("BEGIN IMMEDIATE; CREATE TABLE half_way (id int); DROP TABLE team")
        assert told(zoo, snapshot_of_file(file)) == ()
    finally:
        writer.close()
