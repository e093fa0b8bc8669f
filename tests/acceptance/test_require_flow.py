"""The optional line for env.py: plain Alembic refuses to change what is under the flow, and all else works."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from migrate_flow.env import require_flow
from tests.acceptance.conftest import Terminal
from tests.support.alembic_projects import ADA, CARLA, edit, make_project, put_under_the_flow, write_script
from tests.support.postgres import PostgresServer
from tests.support.shell import TIMEOUT_S, Shell

LINE = "from migrate_flow.env import require_flow\n\nrequire_flow({})\n\ntarget_metadata = None"
# As Alembic's cookbook shares a connection with env.py.
GIVEN = """\
else:
    given = config.attributes.get("connection")
    if given is None:
        run_migrations_online()
    else:
        context.configure(connection=given, target_metadata=target_metadata)
        with context.begin_transaction():
            context.run_migrations()
"""
# What a program of the project's own has; its Alembic prints what came of it.
PROGRAM = """\
import contextlib
import io
import sys

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import create_engine

from migrate_flow.__main__ import main


def plain(verb, *words, config=None, **attributes):
    config = config or Config("alembic.ini")
    config.attributes.update(attributes)
    try:
        verb(config, *words)
    except CommandError as error:
        print("refused:", error)
    else:
        print("done")


def flow(*words):
    sys.argv[1:] = words
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            main()
        except SystemExit as ended:
            assert not ended.code, ended


"""
REFUSED = "refused: this database is dev of project shop, which is changed through migrate-flow alone; use: "


def versions(shell: Shell) -> list[tuple[str, ...]]:
    with sqlite3.connect(shell.folder / "dev.db") as connection:
        rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    connection.close()
    return rows


def program(shell: Shell, text: str) -> list[str]:
    """Run it in a process of its own; the lines that it printed."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + text],
        cwd=shell.folder,
        env=shell.variables,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


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
        (("downgrade", "base"), "migrate-flow rollback --env dev --to REV -m WHY"),
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


def test_environments_are_given_as_a_list() -> None:
    with pytest.raises(TypeError, match=r'allow=\["dev"\]'):
        require_flow(allow="production")  # in which "prod" is found too


@pytest.mark.parametrize("shell", ["generic"], indirect=True)
def test_it_refuses_the_run_that_it_stands_in_and_nothing_after_it(shell: Shell) -> None:
    said = program(
        shell,
        f"""\
config = Config("alembic.ini")
plain(command.upgrade, "head", config=config)
plain(command.current, config=config)  # it only reads, with the configuration of the run that was refused
create_engine("sqlite:///dev.db").connect().close()
flow("--as", "{ADA}", "apply", "--env", "dev")
plain(command.downgrade, "-1", config=config)
""",
    )
    instead = "migrate-flow plan --env dev"  # it can't be known which command a program stands for
    assert said == [REFUSED + instead, "aaaa01", "done", REFUSED + instead]
    assert versions(shell) == [("aaaa02",)]


@pytest.mark.parametrize("shell", ["generic"], indirect=True)
def test_another_engine_may_be_asked_first(shell: Shell) -> None:
    """By the program before Alembic runs, and by env.py before it comes to the database of the flow."""
    settings = 'from sqlalchemy import create_engine\n\ncreate_engine("sqlite:///settings.db").connect().close()\n\n'
    edit(shell.folder / "migrations" / "env.py", r"(?m)^target_metadata = None$", f"{settings}target_metadata = None")
    said = program(
        shell,
        """\
engine = create_engine("sqlite:///dev.db")
engine.connect().close()
plain(command.upgrade, "head")
engine.connect().close()
""",
    )
    assert said == [f"{REFUSED}migrate-flow plan --env dev"]
    assert (shell.folder / "settings.db").exists()
    assert versions(shell) == [("aaaa01",)]


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_a_connection_that_env_py_is_given(
    terminal: Terminal, tmp_path: Path, request: pytest.FixtureRequest, dialect: str
) -> None:
    """Nothing of ours is left on it: what it began is committed by whoever began it, else by Alembic."""
    if dialect == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        urls = [server.create_database() for _ in range(3)]
    else:
        urls = [f"sqlite:///{name}.db" for name in ("dev", "second", "third")]
    shell = terminal(tmp_path / "shop")
    folder = make_project(shell)
    edit(folder.parent / "env.py", r"(?m)^target_metadata = None$", LINE.format(""))
    edit(folder.parent / "env.py", r"(?m)^else:\n    run_migrations_online\(\)\n", GIVEN)
    put_under_the_flow(shell, f"dev={urls[0]}")
    write_script(folder, "aaaa01")
    shell.flow("track", actor=ADA)
    shell.flow("apply", "--env", "dev", actor=ADA)
    write_script(folder, "aaaa02", "aaaa01")
    said = program(
        shell,
        f"""\
dev, *unknown = [create_engine(url) for url in {urls}]
with dev.connect() as connection:
    plain(command.upgrade, "head", connection=connection)
    plain(command.current, connection=connection)
with dev.begin() as connection:
    plain(command.upgrade, "head", connection=connection)
with unknown[0].connect() as connection:
    plain(command.upgrade, "head", connection=connection)
with unknown[1].begin() as connection:
    plain(command.upgrade, "head", connection=connection)
for engine in (dev, *unknown):
    with engine.connect() as connection:
        print(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one())
""",
    )
    refused = f"{REFUSED}migrate-flow plan --env dev"
    assert said == [refused, "aaaa01", "done", refused, "done", "done", "aaaa01", "aaaa02", "aaaa02"]


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
