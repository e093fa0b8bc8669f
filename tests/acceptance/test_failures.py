"""Scripts that fail, exit or are killed on SQLite: the target is as before, and the ledger tells what happened."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import databases
from tests.acceptance.conftest import Terminal
from tests.support import proof
from tests.support.alembic_projects import ADA, edit, make_project, put_under_the_flow, table, write_script
from tests.support.shell import Shell

NEW = "aaaa02"
HALF = table("half") + "\nop.execute(\"INSERT INTO t_aaaa01 VALUES (2, 'half')\")\n"
ROW = "INSERT INTO t_aaaa01 VALUES (1, 'one')"


@pytest.fixture(scope="module")
def prepared(terminal: Terminal, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A project whose dev stands at aaaa01, with a row in it, and on record."""
    shell = terminal(tmp_path_factory.mktemp("prepared"))
    versions = make_project(shell)
    put_under_the_flow(shell)
    write_script(versions, "aaaa01")
    shell.flow("track")
    shell.flow("apply", "--env", "dev")
    databases.run(url(shell), [ROW])
    return shell


@pytest.fixture
def shell(prepared: Shell, tmp_path: Path) -> Shell:
    shutil.copytree(prepared.folder, tmp_path / "shop")
    return prepared.at(tmp_path / "shop")


def url(shell: Shell) -> str:
    return f"sqlite:///{shell.folder / 'dev.db'}"


def versions(shell: Shell) -> Path:
    return shell.folder / "migrations" / "versions"


def second(shell: Shell, upgrade: str) -> None:
    """The next revision, tracked, with this body."""
    write_script(versions(shell), NEW, "aaaa01", upgrade=upgrade)
    shell.flow("track")


def as_before(shell: Shell) -> None:
    assert databases.heads(url(shell)) == ["aaaa01"]
    assert databases.contents(url(shell)) == {"t_aaaa01": ["{'id': 1, 'text': 'one'}"]}


def mend_and_apply(shell: Shell) -> dict[str, Any]:
    """The same revision with another body goes through; nothing stands in its way."""
    write_script(versions(shell), NEW, "aaaa01")
    report = shell.json("apply", "--env", "dev")
    assert [(step["revision"], step["outcome"]) for step in report["steps"]] == [(NEW, "applied")]
    assert databases.tables(url(shell)) == ["t_aaaa01", "t_aaaa02"]
    assert shell.json("ledger", "verify")["ok"]
    return report


def in_dev(shell: Shell) -> str | None:
    there = shell.json("status", NEW)["migrations"][0]["applied"]["dev"]
    return str(there["state"]) if there else None


@pytest.mark.parametrize(
    ("end", "cause"),
    [
        ('raise ValueError("no such customer")', "ValueError: no such customer"),
        ('op.execute("SELECT * FROM nowhere")', "no such table: nowhere"),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("raise KeyError", "KeyError"),
        ('print("a word")\nraise LookupError("[red]x[/] ✗")', "LookupError: [red]x[/] ✗"),
    ],
)
def test_upgrade_raises(shell: Shell, end: str, cause: str):
    second(shell, HALF + end)
    report = shell.json("apply", "--env", "dev", code=3)
    (step,) = report["steps"]
    assert step["outcome"] == "failed"
    assert cause in step["error"]
    as_before(shell)
    last = proof.rows(shell.folder)[-1]
    assert (last["kind"], last["revision"], last["environment"], last["actor"]) == ("apply.failed", NEW, "dev", ADA)
    assert cause in proof.predicate(last)["error"]
    assert in_dev(shell) == "failed"
    mend_and_apply(shell)
    assert in_dev(shell) == "applied"


def test_later_steps_do_not_run_and_earlier_ones_stay(shell: Shell):
    write_script(versions(shell), "bbbb02", "aaaa01")
    write_script(versions(shell), "bbbb03", "bbbb02", upgrade=HALF + 'raise ValueError("stop")')
    write_script(versions(shell), "bbbb04", "bbbb03")
    shell.flow("track")
    report = shell.json("apply", "--env", "dev", code=3)
    assert [step["outcome"] for step in report["steps"]] == ["applied", "failed", "skipped"]
    assert databases.heads(url(shell)) == ["bbbb02"]
    assert databases.tables(url(shell)) == ["t_aaaa01", "t_bbbb02"]


@pytest.mark.parametrize(
    ("end", "code"), [("os._exit(0)", 0), ("os.kill(os.getpid(), signal.SIGKILL)", -9)], ids=["_exit", "kill -9"]
)
def test_the_process_dies_in_upgrade(shell: Shell, end: str, code: int):
    """Its exit code says nothing, and the intent is all that it leaves. The next command finds out."""
    second(shell, HALF + end)
    shell.flow("apply", "--env", "dev", code=code)
    as_before(shell)
    assert proof.kinds(shell.folder)[-1] == "apply.intended"
    assert in_dev(shell) == "open"
    plan = shell.json("plan", "--env", "dev", code=1)
    assert "no-open-attempt" in {verdict["gate"] for verdict in plan["gates"] if not verdict["passed"]}

    if code == 0:
        (settled,) = shell.json("recover", "--env", "dev")["recovered"]
        assert (settled["revision"], settled["outcome"]) == (NEW, "failed")
        assert shell.json("recover", "--env", "dev")["recovered"] == []
        assert in_dev(shell) == "failed"
        mend_and_apply(shell)
    else:
        assert [item["outcome"] for item in mend_and_apply(shell)["recovered"]] == ["failed"]
    assert proof.kinds(shell.folder)[-3:] == ["apply.recovered", "apply.intended", "apply.applied"]


def test_the_process_dies_after_the_commit(shell: Shell):
    """The receipt came with the commit: recovery reads it, and runs nothing again."""
    second(shell, table("once"))
    env = shell.folder / "migrations" / "env.py"
    healthy = env.read_text()
    committed = f"SELECT 1 FROM alembic_version WHERE version_num = '{NEW}'"
    env.write_text(
        healthy
        + f'\nimport os, signal, sqlite3\nif sqlite3.connect("dev.db").execute("{committed}").fetchone():'
        + "\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    shell.flow("apply", "--env", "dev", code=-9)
    assert databases.heads(url(shell)) == [NEW]
    assert in_dev(shell) == "open"
    env.write_text(healthy)
    report = shell.json("apply", "--env", "dev")
    assert report["steps"] == []
    assert [(item["revision"], item["outcome"]) for item in report["recovered"]] == [(NEW, "applied")]
    assert in_dev(shell) == "applied"
    assert proof.kinds(shell.folder)[-2:] == ["apply.intended", "apply.recovered"]


def test_alembic_by_hand_upon_an_open_attempt(shell: Shell):
    """The version table moved without a receipt: that proves neither success nor failure, so nothing is claimed."""
    second(shell, "os._exit(0)")
    shell.flow("apply", "--env", "dev")
    write_script(versions(shell), NEW, "aaaa01")
    edit(shell.folder / "alembic.ini", r"(?m)^sqlalchemy.url = .*$", "sqlalchemy.url = sqlite:///dev.db")
    shell.alembic("upgrade", "head")
    before = proof.kinds(shell.folder)
    for command in ("apply", "recover"):
        error = shell.error(command, "--env", "dev", code=6)
        assert (error["code"], NEW in error["message"]) == ("unsettled", True)
    assert proof.kinds(shell.folder) == before
    shell.alembic("downgrade", "aaaa01")
    assert [item["outcome"] for item in shell.json("recover", "--env", "dev")["recovered"]] == ["failed"]
    shell.flow("apply", "--env", "dev")


def test_a_script_that_exits_when_it_is_loaded(shell: Shell):
    """Plain Alembic exits 0 here, and applies nothing."""
    write_script(versions(shell), NEW, "aaaa01", imports="\nraise SystemExit(0)\n")
    shell.flow("track")
    shell.flow("apply", "--env", "dev", code=3)
    as_before(shell)
    assert in_dev(shell) == "failed"


def test_env_py_that_exits(shell: Shell):
    """Before anything began: an error, not a success."""
    second(shell, table("once"))
    env = shell.folder / "migrations" / "env.py"
    env.write_text(env.read_text() + "\nraise SystemExit(0)\n")
    error = shell.error("apply", "--env", "dev", code=3)
    assert error["message"] == "env.py failed: SystemExit: 0"
    as_before(shell)
    assert in_dev(shell) is None


def test_alembic_by_hand_is_noticed(shell: Shell):
    second(shell, table("by_hand"))
    edit(shell.folder / "alembic.ini", r"(?m)^sqlalchemy.url = .*$", "sqlalchemy.url = sqlite:///dev.db")
    shell.alembic("upgrade", "head")
    write_script(versions(shell), "aaaa03", NEW)
    shell.flow("track")

    plan = shell.json("plan", "--env", "dev", code=1)
    found = {verdict["gate"]: verdict for verdict in plan["gates"] if not verdict["passed"]}
    assert set(found) == {"target-identified", "drift-free"}
    assert NEW in found["target-identified"]["reason"]
    assert "added table by_hand" in found["drift-free"]["reason"]
    assert {verdict["hint"] for verdict in found.values()} == {"migrate-flow adopt --env dev -m WHY"}
    shell.flow("apply", "--env", "dev", code=1)
    assert databases.heads(url(shell)) == [NEW]

    assert shell.json("adopt", "--env", "dev", "-m", "it was me, in a hurry")["out_of_band"] == [NEW]
    assert in_dev(shell) == "out-of-band"
    shell.flow("apply", "--env", "dev")
    assert databases.tables(url(shell)) == ["by_hand", "t_aaaa01", "t_aaaa03"]
    # And the other way: what was downgraded by hand no longer stands.
    shell.alembic("downgrade", NEW)
    assert shell.json("adopt", "--env", "dev", "-m", "taken back by hand")["gone"] == ["aaaa03"]
    shell.flow("apply", "--env", "dev")
    assert databases.heads(url(shell)) == ["aaaa03"]
    assert shell.json("ledger", "verify")["ok"]


def test_two_at_once(shell: Shell):
    """While one runs, another is told which, and changes nothing."""
    wait = 'open("running", "w").close()\nwhile not os.path.exists("go on"):\n    pass\n'
    second(shell, wait + table("slow"))
    words = [sys.executable, "-m", "migrate_flow", "apply", "--env", "dev"]
    with subprocess.Popen(words, cwd=shell.folder, env=shell.variables, stdout=subprocess.DEVNULL) as first:
        while not (shell.folder / "running").exists():
            assert first.poll() is None
            time.sleep(0.02)
        before = proof.kinds(shell.folder)
        assert f"process {first.pid}" in shell.error("apply", "--env", "dev", code=5)["message"]
        assert f"process {first.pid}" in shell.error("recover", "--env", "dev", code=5)["message"]
        assert proof.kinds(shell.folder) == before
        assert in_dev(shell) == "open"
        (shell.folder / "go on").touch()
        assert first.wait(timeout=60) == 0
    assert in_dev(shell) == "applied"
