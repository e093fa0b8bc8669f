"""The optional line for env.py: plain Alembic refuses to change what is under the flow, and all else works."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.acceptance.conftest import Terminal
from tests.support.alembic_projects import ADA, CARLA, edit, make_project, put_under_the_flow, write_script
from tests.support.postgres import PostgresServer
from tests.support.shell import Shell

LINE = "from migrate_flow.env import require_flow\n\nrequire_flow({})\n\ntarget_metadata = None"


def versions(shell: Shell) -> list[tuple[str, ...]]:
    with sqlite3.connect(shell.folder / "dev.db") as connection:
        rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    connection.close()
    return rows


@pytest.fixture(params=["generic", "async"])
def shell(request: pytest.FixtureRequest, terminal: Terminal, tmp_path: Path) -> Shell:
    """A project whose env.py holds the line; dev stands at aaaa01 of two revisions."""
    shell = terminal(tmp_path / "shop")
    folder = make_project(shell, request.param)
    edit(folder.parent / "env.py", r"(?m)^target_metadata = None$", LINE.format(""))
    driver = "sqlite+aiosqlite" if request.param == "async" else "sqlite"
    edit(shell.folder / "alembic.ini", r"(?m)^sqlalchemy.url = .*$", f"sqlalchemy.url = {driver}:///dev.db")
    put_under_the_flow(shell, f"dev={driver}:///dev.db")
    write_script(folder, "aaaa01")
    write_script(folder, "aaaa02", "aaaa01")
    shell.flow("track", actor=ADA)
    shell.flow("apply", "aaaa01", "--env", "dev", actor=ADA)
    return shell


@pytest.mark.parametrize(
    ("words", "instead"),
    [
        (("upgrade", "head"), "migrate-flow apply --env dev"),
        (("upgrade", "+1"), "migrate-flow apply --env dev"),
        (("downgrade", "-1"), "migrate-flow rollback --env dev --to REV -m WHY"),
        (("stamp", "head"), "migrate-flow adopt --env dev -m WHY"),
    ],
    ids=lambda words: words[0] if isinstance(words, tuple) else "",
)
def test_plain_alembic_refuses_to_change_it(shell: Shell, words: tuple[str, ...], instead: str) -> None:
    done = shell.alembic(*words, code=255)
    assert "this database is dev of project shop" in done.text
    assert instead in done.text
    assert versions(shell) == [("aaaa01",)]
    assert shell.json("drift", "--env", "dev")["clean"] is True


def test_the_flow_and_what_only_reads_work(shell: Shell) -> None:
    assert "aaaa01" in shell.alembic("current").out
    assert "aaaa02" in shell.alembic("heads").out
    assert "CREATE TABLE t_aaaa02" in shell.alembic("upgrade", "aaaa01:head", "--sql").out
    shell.flow("apply", "--env", "dev", actor=ADA)
    shell.flow("rollback", "--env", "dev", "--to", "aaaa01", "-m", "a test", "--confirm", "dev", actor=ADA)
    shell.flow("new", "-m", "more", "--autogenerate", actor=ADA, code=None)
    shell.flow("rehearse", "aaaa02")


def test_a_database_that_the_flow_does_not_know_is_left_alone(shell: Shell) -> None:
    (shell.folder / "dev.db").rename(shell.folder / "other.db")
    shell.alembic("upgrade", "head")
    assert versions(shell) == [("aaaa02",)]


def test_an_environment_in_which_it_is_welcome(shell: Shell) -> None:
    edit(shell.folder / "migrations" / "env.py", r"require_flow\(\)", 'require_flow(allow=["dev"])')
    shell.alembic("upgrade", "head")
    assert versions(shell) == [("aaaa02",)]


def test_on_postgresql(terminal: Terminal, tmp_path: Path, postgres: PostgresServer) -> None:
    shell, url = terminal(tmp_path / "shop"), postgres.create_database()
    folder = make_project(shell)
    edit(folder.parent / "env.py", r"(?m)^target_metadata = None$", LINE.format(""))
    edit(shell.folder / "alembic.ini", r"(?m)^sqlalchemy.url = .*$", f"sqlalchemy.url = {url}")
    put_under_the_flow(shell, f"dev={url}", team=True)
    write_script(folder, "aaaa01")
    shell.alembic("upgrade", "head")  # nobody's yet
    shell.flow("adopt", "--env", "dev", "-m", "in use", actor=CARLA)
    write_script(folder, "aaaa02", "aaaa01")
    done = shell.alembic("upgrade", "head", code=255)
    assert "use: migrate-flow apply --env dev" in done.text
    shell.flow("track", actor=ADA)
    shell.flow("apply", "--env", "dev", actor=ADA)
