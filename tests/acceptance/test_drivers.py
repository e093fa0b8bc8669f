"""env.py with other drivers for PostgreSQL than ours: locks, settings and outcomes reach them all the same."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.acceptance import databases
from tests.acceptance.conftest import Terminal
from tests.support.alembic_projects import make_project, put_under_the_flow, table, write_script
from tests.support.postgres import PostgresServer
from tests.support.shell import Shell

DRIVERS = [("psycopg2", "generic"), ("psycopg", "generic"), ("asyncpg", "async"), ("psycopg", "async")]
SETTINGS = """\
wanted = {"lock_timeout": "5s", "statement_timeout": "15min", "idle_in_transaction_session_timeout": "15min"}
def check():
    found = {name: op.get_bind().exec_driver_sql(f"SHOW {name}").scalar() for name in wanted}
    assert found == wanted, found
    assert op.get_bind().exec_driver_sql("SHOW application_name").scalar().startswith("migrate-flow ")
check()
with op.get_context().autocommit_block():
    check()
op.execute("INSERT INTO t_aaaa01 VALUES (1, 'checked')")
"""
BLOCK = 'with op.get_context().autocommit_block():\n    op.execute("CREATE INDEX CONCURRENTLY ix ON t_aaaa01 (id)")'


def project(shell: Shell, url: str, driver: str, template: str) -> Path:
    versions = make_project(shell, template)
    # asyncpg takes the socket's folder as host too, and the user from the URL.
    put_under_the_flow(shell, f"dev={url.replace('+psycopg', f'+{driver}')}")
    return versions


@pytest.mark.parametrize(("driver", "template"), DRIVERS, ids=["-".join(pair) for pair in DRIVERS])
def test_a_driver_of_the_projects_own(
    terminal: Terminal, tmp_path: Path, pg_url: str, postgres: PostgresServer, driver: str, template: str
) -> None:
    shell = terminal(tmp_path / "shop")
    versions = project(shell, pg_url, driver, template)
    write_script(versions, "aaaa01", upgrade=table("t_aaaa01"))
    write_script(versions, "aaaa02", "aaaa01", upgrade=SETTINGS)
    write_script(versions, "aaaa03", "aaaa02", upgrade=BLOCK)
    write_script(versions, "aaaa04", "aaaa03", upgrade=table("half") + '\nop.execute("SELECT 1/0")')
    shell.flow("track")
    report = shell.json("apply", "--env", "dev", code=3)
    assert [step["outcome"] for step in report["steps"]] == ["applied", "applied", "applied", "failed"]
    assert "division by zero" in report["steps"][3]["error"]
    assert databases.contents(pg_url)["t_aaaa01"] == ["{'id': 1, 'text': 'checked'}"]
    assert databases.tables(pg_url) == ["t_aaaa01"]
    assert _holders(postgres, pg_url) == []


@pytest.mark.parametrize(("driver", "template"), DRIVERS, ids=["-".join(pair) for pair in DRIVERS])
def test_ctrl_c_ends_the_statement_in_the_server(
    terminal: Terminal, tmp_path: Path, pg_url: str, postgres: PostgresServer, driver: str, template: str
) -> None:
    shell = terminal(tmp_path / "shop")
    versions = project(shell, pg_url, driver, template)
    body = table("half") + "\nimport threading\n"
    body += f"threading.Timer(1, os.kill, (os.getpid(), {int(signal.SIGINT)})).start()\n"
    write_script(versions, "aaaa01", upgrade=body + 'op.execute("SELECT pg_sleep(600)")')
    shell.flow("track")
    shell.flow("apply", "--env", "dev", code=130)
    assert databases.tables(pg_url) == []
    assert shell.json("status")["migrations"][0]["applied"]["dev"]["state"] == "failed"
    assert _holders(postgres, pg_url) == []


def _holders(postgres: PostgresServer, url: str) -> list[tuple[object, ...]]:
    """Who holds an advisory lock in this database: nobody may, once the command has ended."""
    name = url.partition("@/")[2].partition("?")[0]
    return postgres.execute(
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND database = "
        "(SELECT oid FROM pg_database WHERE datname = current_database())",
        database=name,
    )
