"""What `doctor` finds on servers, as on SQLite in tests/cli/test_doctor.py: each with the command that mends it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import databases
from tests.acceptance.conftest import Terminal
from tests.support.alembic_projects import ADA, edit, make_project, put_under_the_flow, write_script
from tests.support.shell import Shell

SERVERS = ["postgresql", pytest.param("mariadb", marks=pytest.mark.mariadb)]
ADOPT = "migrate-flow adopt --env dev"
CHANGES = [
    ("UPDATE alembic_version SET version_num = 'deadbeef'", "its version table says deadbeef, the ledger says", ADOPT),
    ("INSERT INTO alembic_version VALUES ('deadbeef')", "its version table says aaaa01, deadbeef", ADOPT),
    ("DROP TABLE alembic_version", "its version table says nothing", ADOPT),
    ("DELETE FROM {receipt}", "its receipts are gone", ADOPT),
    ("DROP TABLE {receipt}", "its receipts are gone", ADOPT),
    ("DELETE FROM {target}", "the database has no identity row", f"{ADOPT} --new-target"),
    ("CREATE TABLE by_hand (id INTEGER PRIMARY KEY)", "by_hand", "migrate-flow drift --env dev"),
]


@pytest.fixture(params=SERVERS)
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue("pg_url" if request.param == "postgresql" else "mariadb_url"))


@pytest.fixture
def shell(terminal: Terminal, tmp_path: Path, url: str) -> Shell:
    """Applied up to aaaa01."""
    (tmp_path / "shop").mkdir()
    shell = terminal(tmp_path / "shop")
    write_script(make_project(shell), "aaaa01")
    put_under_the_flow(shell, f"dev={url}")
    shell.flow("track")
    shell.flow("apply", "--env", "dev")
    return shell


def found(shell: Shell, area: str = "environment dev") -> list[dict[str, Any]]:
    done = shell.json("doctor", actor=ADA, code=1)["checks"]
    return [check for check in done if check["area"] == area and check["state"] != "ok"]


def test_what_somebody_changed(shell: Shell, url: str) -> None:
    """Each on top of nothing but itself: what it changed is put back."""
    postgres = url.startswith("postgresql")
    names = {name: f"migrate_flow{'.' if postgres else '_'}{name}" for name in ("receipt", "target")}
    for number, (text, said, hint) in enumerate(CHANGES):
        statement = text.format(**names)
        table = next((word for word in statement.split() if "alembic" in word or "migrate" in word), "")
        keep = f"{table.rpartition('.')[2]}_kept{number}"
        databases.run(url, [f"CREATE TABLE {keep} AS SELECT * FROM {table}"] if table else [])
        databases.run(url, [statement])
        checks = found(shell)
        assert any(said in check["message"] and check["hint"].startswith(hint) for check in checks), (text, checks)
        if "DROP" in text:
            break_back = [f"CREATE TABLE {table} AS SELECT * FROM {keep}"]
        else:
            break_back = [f"DELETE FROM {table}", f"INSERT INTO {table} SELECT * FROM {keep}"]
        databases.run(url, [*break_back, f"DROP TABLE {keep}"] if table else ["DROP TABLE by_hand"])
    assert [
        check for check in shell.json("doctor", actor=ADA, code=None)["checks"] if check["state"] == "problem"
    ] == []


def test_a_server_that_does_not_answer(shell: Shell, url: str) -> None:
    edit(shell.folder / "migrate-flow.toml", r'(?<=\[environments\.dev\]\n)url = "[^"]*"', 'url = "env:DEV_URL"')
    nowhere = shell.under(DEV_URL=f"{url.partition('://')[0]}://nobody@127.0.0.1:1/shop")
    for one, said in ((nowhere, "dev can't be reached"), (shell, "DEV_URL")):
        (check,) = found(one)
        assert (check["state"], said in check["message"]) == ("problem", True), check
        assert check["hint"].startswith("export DEV_URL=")
