"""Times in a team's ledger are those of its server: a machine whose clock is off reads, and signs nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.acceptance.conftest import Terminal
from tests.faults.test_time import fake
from tests.support.alembic_projects import CARLA, make_project, write_script
from tests.support.shell import Shell

VARIABLE = "LEDGER_DATABASE_URL"


@pytest.fixture
def shell(terminal: Terminal, tmp_path: Path, pg_url: str) -> Shell:
    shell = terminal(tmp_path).under(**{VARIABLE: pg_url})
    write_script(make_project(shell), "aaaa01")
    admin = ("--person", f"{CARLA}=developer,policy-admin")
    shell.flow("init", "--ledger", f"env:{VARIABLE}", "--key-store", "project", "--env", "dev=sqlite:///dev.db", *admin)
    return shell


@pytest.mark.system
@pytest.mark.fault("F78")
@pytest.mark.parametrize(("offset", "said"), [("+1h", "60 minutes ahead of"), ("-2h", "120 minutes behind")])
def test_a_clock_that_is_off_signs_nothing(shell: Shell, offset: str, said: str) -> None:
    wrong = replace(shell, warm=None).under(**fake(offset))
    error = wrong.error("track", code=1)
    assert said in error["message"]
    assert wrong.json("status")["ledger"]["entries"] == 1
    assert wrong.json("ledger", "verify")["ok"] is True
    (told,) = (check for check in wrong.json("doctor", code=1)["checks"] if check["area"] == "clock")
    assert (told["state"], told["hint"]) == ("problem", "timedatectl set-ntp true")
    assert told["message"].endswith("the ledger's server: nothing can be signed here")
    shell.flow("track")


@pytest.mark.system
@pytest.mark.fault("F78")
def test_a_clock_that_is_a_little_off_signs_by_the_server_s(shell: Shell) -> None:
    replace(shell, warm=None).under(**fake("-4m")).flow("track")
    at = datetime.fromisoformat(shell.json("log")["entries"][-1]["at"])
    assert abs(at - datetime.now(UTC)) < timedelta(minutes=2)
