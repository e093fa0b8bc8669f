"""`rehearse` on servers: scratch databases come and go, templates stay, and the locks that a script takes are noted."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Terminal
from tests.support.alembic_projects import make_project
from tests.support.mariadb import MariadbServer
from tests.support.postgres import PostgresServer
from tests.support.shell import Shell

SCRATCH, TEMPLATE = "migrate_flow_scratch_", "migrate_flow_template_"
_SCRIPT = '''\
"""{revision}"""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = {down!r}


def upgrade() -> None:
    {upgrade}


def downgrade() -> None:
    {downgrade}
'''
_BLOCK = "with op.get_context().autocommit_block(): "
HISTORY = {
    "a001": (None, 'op.create_table("people", sa.Column("id", sa.Integer, primary_key=True))',
             'op.drop_table("people")'),
    "a002": ("a001", 'op.add_column("people", sa.Column("mood", sa.Enum("good", "bad", name="mood")))',
             'op.drop_column("people", "mood")'),
    "a003": ("a002", 'op.rename_table("people", "persons")', 'op.rename_table("persons", "people")'),
    "a004": ("a003", 'op.create_index("ix_persons", "persons", ["mood"])',
             'op.drop_index("ix_persons", "persons")'),
    "a005": ("a004", "op.execute('SELECT nonsense FROM nowhere')", "pass"),
}  # fmt: skip


def project(terminal: Terminal, folder: Path, dialect: str, server: str) -> Shell:
    shell = terminal(folder)
    versions = make_project(shell)
    for revision, (down, upgrade, downgrade) in HISTORY.items():
        if dialect == "postgresql" and revision == "a002":
            # As everybody has to write it who makes an enum with a column.
            upgrade = f'sa.Enum("good", "bad", name="mood").create(op.get_bind()); {upgrade}'
            downgrade = f'{downgrade}; sa.Enum(name="mood").drop(op.get_bind())'
        if dialect == "postgresql" and revision == "a004":
            upgrade = _BLOCK + upgrade.replace('["mood"])', '["mood"], postgresql_concurrently=True)')
        text = _SCRIPT.format(revision=revision, down=down, upgrade=upgrade, downgrade=downgrade)
        (versions / f"{revision}.py").write_text(text)
    key = "postgresql" if dialect == "postgresql" else "mysql"
    (shell.folder / "migrate-flow.toml").write_text(
        f'[project]\nname = "shop"\n[environments.dev]\nurl = "env:DEV"\ndialect = "{dialect}"\n'
        f'[rehearsal]\n{key} = "{server}"\n'
    )
    return shell


def graded(document: dict[str, Any]) -> dict[str, Any]:
    return {one["revision"]: one for one in document["rehearsals"]}


@pytest.fixture(scope="module")
def walked(
    terminal: Terminal, postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Shell, dict[str, Any]]:
    shell = project(terminal, tmp_path_factory.mktemp("pg") / "shop", "postgresql", postgres.url("postgres"))
    for name in databases(postgres, TEMPLATE):
        postgres.execute(f'DROP DATABASE "{name}"')
    return shell, graded(shell.json("rehearse", "--all", code=1))


def databases(postgres: PostgresServer, prefix: str) -> list[str]:
    rows = postgres.execute("SELECT datname FROM pg_database ORDER BY 1")
    return [name for (name,) in rows if name.startswith(prefix)]


def test_postgresql_grades(walked: tuple[Shell, dict[str, Any]]) -> None:
    found = walked[1]
    assert {revision: one["grade"] for revision, one in found.items()} == {
        "a001": "lossless", "a002": "lossless", "a003": "lossless", "a004": "lossless", "a005": None,
    }  # fmt: skip
    assert all(one["server"].startswith("PostgreSQL ") for one in found.values())
    assert "nowhere" in found["a005"]["error"]


def test_the_locks_on_tables_that_stood_before_are_noted(walked: tuple[Shell, dict[str, Any]]) -> None:
    found = walked[1]
    assert found["a001"]["locks"] == []
    ((relation, mode),) = [(one["relation"], one["mode"]) for one in found["a002"]["locks"]]
    assert (relation, mode) == ("people", "AccessExclusiveLock")


def test_no_scratch_database_is_left(walked: tuple[Shell, dict[str, Any]], postgres: PostgresServer) -> None:
    assert databases(postgres, SCRATCH) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nor_of_a_rehearsal_that_is_ended_while_the_server_works(
    terminal: Terminal, postgres: PostgresServer, tmp_path: Path, number: int
) -> None:
    shell = project(terminal, tmp_path / "shop", "postgresql", postgres.url("postgres"))
    script = shell.folder / "migrations" / "versions" / "a005.py"
    script.write_text(script.read_text().replace("SELECT nonsense FROM nowhere", "SELECT pg_sleep(600)"))
    working = f"SELECT count(*) FROM pg_stat_activity WHERE datname LIKE '{SCRATCH}%' AND query LIKE '%pg_sleep(600)%'"
    process = subprocess.Popen(
        [sys.executable, "-m", "migrate_flow", "rehearse", "a005"], cwd=shell.folder, env=shell.variables,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        for _ in range(600):
            if postgres.execute(working)[0][0]:
                break
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
        process.send_signal(number)
        process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 128 + number
    assert databases(postgres, SCRATCH) == []


def test_a_server_of_another_kind_is_refused(walked: tuple[Shell, dict[str, Any]], tmp_path: Path) -> None:
    shell = walked[0]
    other = shell.at(tmp_path / "other").under(SCRATCH_URL="mysql://me:hushhush@localhost/x")
    shutil.copytree(shell.folder, other.folder)
    config = other.folder / "migrate-flow.toml"
    config.write_text(config.read_text().rpartition("\npostgresql = ")[0] + '\npostgresql = "env:SCRATCH_URL"\n')
    error = other.error("rehearse", "a001", code=2)
    assert (error["message"], error["where"]) == ("the URL is one of mysql", "[rehearsal] postgresql")
    error = other.under(SCRATCH_URL="").error("rehearse", "a001", code=2)
    assert error["where"] == "[rehearsal] postgresql"


def test_what_a_killed_run_left_is_dropped_a_day_later(
    walked: tuple[Shell, dict[str, Any]], postgres: PostgresServer
) -> None:
    old, young = (f"{SCRATCH}{int(time.time() - hours * 3600):x}_0badcafe" for hours in (25, 1))
    for name in (old, young):
        postgres.execute(f'CREATE DATABASE "{name}"')
    try:
        walked[0].json("rehearse", "a001")
        assert databases(postgres, SCRATCH) == [young]
    finally:
        postgres.execute(f'DROP DATABASE IF EXISTS "{young}"')


def test_a_template_saves_the_way_up(walked: tuple[Shell, dict[str, Any]], postgres: PostgresServer) -> None:
    shell = walked[0]
    shell.json("rehearse", "a004")
    kept = databases(postgres, TEMPLATE)
    assert kept
    # Whoever starts from the template sees what is in it, and not what the scripts would make.
    for name in kept:
        postgres.execute("CREATE TABLE from_the_template (id int)", database=name)
    again = graded(shell.json("rehearse", "a005", code=1))["a005"]
    assert again["upgrade"] is False
    script = next(shell.folder.glob("migrations/versions/a005.py"))
    text = script.read_text()
    script.write_text(text.replace("SELECT nonsense FROM nowhere", "DROP TABLE from_the_template"))
    assert graded(shell.json("rehearse", "a005", code=1))["a005"]["upgrade"] is True
    # Other bytes below it: another template.
    base = shell.folder / "migrations" / "versions" / "a001.py"
    base.write_text(base.read_text() + "\n# other bytes\n")
    try:
        assert graded(shell.json("rehearse", "a005", code=1))["a005"]["upgrade"] is False
    finally:
        script.write_text(text)


def test_without_a_server_both_ways_are_named(walked: tuple[Shell, dict[str, Any]], tmp_path: Path) -> None:
    shell = walked[0]
    config = shell.folder / "migrate-flow.toml"
    text = config.read_text()
    try:
        config.write_text(text[: text.index("[rehearsal]")].replace('"postgresql"', '"mariadb"'))
        error = shell.error("rehearse", "a001", code=2)
        assert "no server to rehearse on mariadb" in error["message"]
        assert "[rehearsal]" in error["where"]
        config.write_text(
            text.replace('postgresql = "postgresql', 'postgresql = "postgresql').replace("host=/", "host=/no/")
        )
        error = shell.error("rehearse", "a001", code=3)
        assert "scratch databases" in error["message"]
    finally:
        config.write_text(text)


def test_the_wheels_own_server_serves_where_none_is_named(terminal: Terminal, tmp_path: Path) -> None:
    shell = project(terminal, tmp_path / "shop", "postgresql", "")
    config = shell.folder / "migrate-flow.toml"
    config.write_text(config.read_text().partition("[rehearsal]")[0])
    assert graded(shell.json("rehearse", "a002"))["a002"]["grade"] == "lossless"


@pytest.mark.mariadb
def test_mariadb_grades(terminal: Terminal, mariadb: MariadbServer, tmp_path: Path) -> None:
    shell = project(terminal, tmp_path / "shop", "mariadb", mariadb.url("mysql"))
    found = graded(shell.json("rehearse", "--all", code=1))
    assert {revision: one["grade"] for revision, one in found.items()} == {
        "a001": "lossless", "a002": "lossless", "a003": "lossless", "a004": "lossless", "a005": None,
    }  # fmt: skip
    left = mariadb.execute("SELECT schema_name FROM information_schema.schemata")
    assert not [name for (name,) in left if str(name).startswith(SCRATCH)]
