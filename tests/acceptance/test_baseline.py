"""[rehearsal] baseline: what stands before the first migration, where a history does not start from nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.acceptance.conftest import Terminal
from tests.support.alembic_projects import ADA, make_project, put_under_the_flow
from tests.support.mariadb import MariadbServer
from tests.support.shell import Shell

SCHEMA = "CREATE TABLE customers (id INTEGER PRIMARY KEY);\nCREATE TABLE orders (id INTEGER PRIMARY KEY);\n"
SCRIPT = '''\
"""aaaa01"""
import sqlalchemy as sa
from alembic import op

revision = "aaaa01"
down_revision = None


def upgrade() -> None:
    op.add_column("customers", sa.Column("name", sa.String(20)))


def downgrade() -> None:
    op.drop_column("customers", "name")
'''


@pytest.fixture
def shell(terminal: Terminal, tmp_path: Path) -> Shell:
    """A first migration that expects tables which nobody migrated."""
    (tmp_path / "shop").mkdir()
    shell = terminal(tmp_path / "shop")
    (make_project(shell) / "aaaa01.py").write_text(SCRIPT)
    (shell.folder / "schema.sql").write_text(SCHEMA)
    return shell


def baseline(shell: Shell, text: str) -> None:
    toml = shell.folder / "migrate-flow.toml"
    found = toml.read_text()
    assert found.count("\n[rehearsal]\n") == 1
    toml.write_text(found.replace("\n[rehearsal]\n", f"\n[rehearsal]\nbaseline = '{text}'\n"))


def rehearsed(shell: Shell, code: int = 0) -> str:
    (done,) = shell.json("rehearse", "aaaa01", code=code)["rehearsals"]
    return str(done["grade"] or done["error"])


def test_without_one_the_first_migration_fails(shell: Shell) -> None:
    put_under_the_flow(shell)
    assert "customers" in rehearsed(shell, code=1)


def test_a_schema_file(shell: Shell) -> None:
    put_under_the_flow(shell)
    baseline(shell, "schema.sql")
    assert rehearsed(shell) == "lossless"
    (shell.folder / "schema.sql").write_text("CREATE TABLE another (id INTEGER PRIMARY KEY);")
    assert "customers" in rehearsed(shell, code=1), "no copy of the old one is used"


def test_a_command(shell: Shell) -> None:
    put_under_the_flow(shell)
    (shell.folder / "lay.py").write_text(
        "import os, sqlite3\n"
        'database = sqlite3.connect(os.environ["DATABASE_URL"].removeprefix("sqlite:///"))\n'
        'database.executescript(open("schema.sql").read())\n'
    )
    baseline(shell, f"command: {sys.executable} lay.py")
    assert rehearsed(shell) == "lossless"


def test_a_schema_file_on_postgresql(shell: Shell, pg_url: str) -> None:
    """As pg_dump writes it, with a line for psql alone."""
    put_under_the_flow(shell, f"dev={pg_url}")
    (shell.folder / "schema.sql").write_text("\\restrict abc\nSET client_encoding = 'UTF8';\n" + SCHEMA)
    baseline(shell, "schema.sql")
    assert rehearsed(shell) == "lossless"


@pytest.mark.mariadb
def test_a_schema_file_on_mariadb(shell: Shell, mariadb: MariadbServer) -> None:
    put_under_the_flow(shell, f"dev={mariadb.create_database()}")
    baseline(shell, "schema.sql")
    toml = shell.folder / "migrate-flow.toml"
    toml.write_text(toml.read_text().replace("\n[rehearsal]\n", '\n[rehearsal]\nmysql = "env:SCRATCH"\n'))
    assert rehearsed(shell.under(SCRATCH=mariadb.create_database())) == "lossless"


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("environment:dev", "is not read from a database yet", "baseline = "),
        ("missing.sql", "missing.sql can't be read", "pg_dump --schema-only"),
        ("command: no-such-program", "the command can't be run", "try it: no-such-program"),
    ],
)
def test_what_can_not_be_laid_is_said_and_found_by_doctor(shell: Shell, text: str, said: str, hint: str) -> None:
    put_under_the_flow(shell)
    baseline(shell, text)
    error = shell.error("rehearse", "aaaa01", code=2)
    assert said in error["message"]
    assert (hint in error["hint"], error["where"]) == (True, "[rehearsal] baseline")
    seen = not text.startswith("command")  # what a command does shows when it runs
    checks = shell.json("doctor", actor=ADA, code=int(seen))["checks"]
    found = [check for check in checks if check["area"] == "rehearsal" and check["state"] == "problem"]
    assert [said in check["message"] for check in found] == [True] * seen
