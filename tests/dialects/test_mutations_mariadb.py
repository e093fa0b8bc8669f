"""What somebody does to a MariaDB by hand: each change is found and named, and nothing else is."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url

from migrate_flow.core.snapshot import Indeterminate, Snapshot, difference
from tests.dialects.mariadb_zoo import MARIADB, connected, fill, run, taken, told

if TYPE_CHECKING:
    from tests.support.mariadb import MariadbServer

pytestmark = pytest.mark.mariadb
ACTS = tomllib.loads((Path(__file__).parent / "mutations" / "mariadb.toml").read_text())
CHANGES = [(one["sql"], one["found"]) for one in ACTS["change"]]
HARMLESS = [sql for group in ACTS["harmless"].values() for sql in group]


@pytest.fixture(scope="module")
def changed(mariadb: MariadbServer) -> Iterator[str]:
    """A database that is filled again for each change."""
    url = mariadb.create_database()
    yield url
    mariadb.drop_database(url)


@pytest.mark.parametrize(("sql", "found"), CHANGES, ids=[sql for sql, _ in CHANGES])
def test_a_change_is_found_and_named(
    mariadb: MariadbServer, changed: str, mariadb_zoo: Snapshot, sql: str, found: list[str]
) -> None:
    fill(mariadb, changed)
    run(mariadb, changed, sql)
    changes = told(mariadb_zoo, taken(changed))
    assert [f"{item.object} {item.change}" for item in changes] == found
    assert all(item.object.startswith(f"{item.kind} ") and item.expected != item.observed for item in changes)


@pytest.mark.parametrize("sql", HARMLESS, ids=HARMLESS)
def test_nothing_is_found_after_what_is_harmless(
    mariadb: MariadbServer, mariadb_source: str, mariadb_zoo: Snapshot, sql: str
) -> None:
    run(mariadb, mariadb_source, sql)
    assert told(mariadb_zoo, taken(mariadb_source)) == ()


@pytest.mark.parametrize(("name", "value"), ACTS["settings"].items())
def test_nothing_is_found_under_another_setting(
    mariadb: MariadbServer, mariadb_source: str, mariadb_zoo: Snapshot, name: str, value: str
) -> None:
    run(mariadb, mariadb_source, f"SET GLOBAL {name} = {value}")
    try:
        assert told(mariadb_zoo, taken(mariadb_source)) == ()
    finally:
        run(mariadb, mariadb_source, f"SET GLOBAL {name} = DEFAULT")


def test_nothing_is_found_after_a_restart(mariadb: MariadbServer, mariadb_source: str, mariadb_zoo: Snapshot) -> None:
    mariadb.kill()
    mariadb.start()
    assert told(mariadb_zoo, taken(mariadb_source)) == ()


def test_nothing_is_found_from_a_session_of_another_kind(mariadb_source: str, mariadb_zoo: Snapshot) -> None:
    with connected(mariadb_source) as connection:
        for statement in (
            "CREATE TEMPORARY TABLE team (other int)",
            "CREATE TEMPORARY TABLE passing (other int)",
            "SET NAMES latin1",
            "SET SESSION sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES', time_zone = '-05:00', sql_quote_show_create = 0",
            "SET SESSION lc_messages = 'de_DE', character_set_results = 'utf8mb3', autocommit = 0",
            "START TRANSACTION READ ONLY",
        ):
            connection.exec_driver_sql(statement)
            assert told(mariadb_zoo, MARIADB.snapshot(connection)) == ()


@pytest.mark.parametrize(
    ("rights", "unseen"),
    [
        ("ALL ON *.*", ""),
        ("SELECT, SHOW VIEW, TRIGGER, EVENT, EXECUTE ON *.*", ""),
        (r"ALL ON `test\_%`.*", " without the text of routines"),
        ("ALL ON {db}.*", " without the text of routines"),
        ("SELECT, SHOW VIEW, TRIGGER, EXECUTE ON *.*", " without EVENT"),
        ("SELECT ON {db}.*", " without EVENT, EXECUTE, SHOW VIEW, TRIGGER"),
        ("INSERT ON {db}.*", " without EVENT, EXECUTE, SELECT, SHOW VIEW, TRIGGER"),
        ("TRIGGER, EVENT ON {db}.*", " without EXECUTE, SELECT, SHOW VIEW"),
        ("SELECT ON {db}.team", " without EVENT, EXECUTE, SELECT, SHOW VIEW, TRIGGER"),
    ],
)
@pytest.mark.parametrize("through", ["visitor", "a_role"])
def test_who_may_not_look_at_all_finds_nothing_gone(
    mariadb: MariadbServer, mariadb_source: str, mariadb_zoo: Snapshot, rights: str, unseen: str, through: str
) -> None:
    mariadb.execute("CREATE OR REPLACE USER visitor")
    mariadb.execute("CREATE OR REPLACE ROLE a_role")
    mariadb.execute(f"GRANT {rights.format(db=make_url(mariadb_source).database)} TO {through}")
    if through == "a_role":
        mariadb.execute("GRANT a_role TO visitor")
        mariadb.execute("SET DEFAULT ROLE a_role FOR visitor")
        mariadb.execute(f"GRANT SELECT ON {make_url(mariadb_source).database}.team TO visitor")  # to come in at all
    seen = taken(mariadb_source, user="visitor")
    assert seen.normaliser == f"mariadb/1{unseen}"
    if unseen:
        assert difference(mariadb_zoo, seen) == Indeterminate(
            f"the snapshots are of normaliser mariadb/1 and mariadb/1{unseen}"
        )
    else:
        assert told(mariadb_zoo, seen) == ()


def test_what_is_no_part_of_the_evidence(mariadb: MariadbServer, mariadb_url: str, mariadb_zoo: Snapshot) -> None:
    """What docs/reference/snapshot-mysql.md says is not read, by one act each."""
    fill(mariadb, mariadb_url)
    for sql in (
        "CREATE OR REPLACE USER visitor; GRANT INSERT ON team TO visitor",
        "ALTER DEFINER=visitor VIEW people AS SELECT p.id, p.grade, concat('z1.', '`z1`.`x`') AS c FROM person p "
        "JOIN team t ON t.id = p.team_id WHERE p.age > 1 AND p.age < 9 AND p.grade = 'new'",
        "ALTER DEFINER=visitor EVENT nightly ENABLE",
        "ALTER DATABASE CHARACTER SET latin1",
        "CREATE TABLE union_of (a int, b int, c int) ENGINE=MERGE UNION=(plain) CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
    ):
        run(mariadb, mariadb_url, sql)
    assert [item.object for item in told(mariadb_zoo, taken(mariadb_url))] == ["table union_of"]
    before = taken(mariadb_url)
    run(mariadb, mariadb_url, "ALTER TABLE union_of UNION=()")
    assert told(before, taken(mariadb_url)) == ()
