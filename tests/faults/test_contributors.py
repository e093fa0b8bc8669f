"""Whose work a migration is, against people who would rather not be, or would have others be, its authors."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.faults.siege import ADA, BOB, CY, DAN, EVE, REV, Siege
from tests.support.alembic_projects import write_script
from tests.support.repository import Repository

PRIVATE = "cy@home.example.net"
CLAIMS = f'[people."{CY}"]\naliases = ["{PRIVATE}"]\n'


@pytest.fixture
def hers(released: Siege) -> Siege:
    """A second migration, by an address that nobody in the policy claims; reviewed, and to be approved."""
    repository = Repository(released.folder)
    repository.commit(EVE, "the project")
    write_script(released.script.parent, "aaaa02", REV)
    repository.commit(PRIVATE, "a migration")
    for actor, *words in (
        (ADA, "track"), (ADA, "apply", "--env", "dev"), (ADA, "self-review", "aaaa02"),
        (BOB, "review", "aaaa02", "--approve"),
    ):  # fmt: skip
        released.shell.flow(*words, actor=actor)
    return released


def _approves_by_hand(siege: Siege) -> None:
    siege.forger.attests(CY, "migration.approved", "aaaa02", role="backend-lead")


@pytest.mark.fault("A16")
@pytest.mark.parametrize("git", ["here", "gone"])
def test_an_address_that_is_nobody_s_any_more_was_somebody_s(hers: Siege, git: str) -> None:
    """Cy claimed it once; the admin takes the alias away again, so that Cy may approve."""
    hers.policy(rf'(?m)^\[people\."{CY}"\]\n', CLAIMS)
    hers.shell.error("approve", "aaaa02", actor=CY, code=1)
    hers.policy(re.escape(CLAIMS), f'[people."{CY}"]\n')
    if git == "gone":
        (hers.folder / ".git").rename(hers.folder.parent / "git")
    message = hers.shell.error("approve", "aaaa02", actor=CY, code=1)["message"]
    assert "nobody approves their own work" in message
    _approves_by_hand(hers)
    hers.held("staging", {"approved": f"1 × backend-lead \\({CY}"})


@pytest.mark.fault("A16")
def test_whom_nobody_ever_claimed_bars_nobody(hers: Siege) -> None:
    """The control: the address is shown, and Cy approves."""
    hers.shell.flow("approve", "aaaa02", actor=CY)
    hers.passes("staging")
    notices = hers.shell.json("plan", "--env", "staging", actor=DAN)["notices"]
    assert any(PRIVATE in notice for notice in notices), notices


@pytest.mark.fault("A16")
def test_whom_a_reviewer_alone_names_is_told_who_says_so(siege: Siege) -> None:
    """What git showed Bob can't be told from the ledger: Cy is barred, and everybody sees by whose word."""
    seq = siege.forger.attests(BOB, "migration.reviewed", REV, verdict="approve", contributors=[CY])
    siege.forger.attests(CY, "migration.approved", REV, role="backend-lead")
    why = f"{CY} contributed to this migration \\(so says the review of {BOB}, entry {seq}\\)"
    siege.held("staging", {"approved": why})


def test_git_is_read_once_for_all_that_is_planned(hers: Siege, tmp_path: Path) -> None:
    """As many questions for two migrations as for one, and none where nobody has to agree."""
    shim, asked = tmp_path / "bin" / "git", tmp_path / "asked"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\necho "$@" >> {asked}\nexec {shutil.which("git")} "$@"\n')
    shim.chmod(0o755)
    path = f"{shim.parent}:{hers.shell.variables['PATH']}"

    def questions(*words: str) -> int:
        asked.write_text("")
        hers.shell.under(PATH=path).flow("plan", *words, actor=DAN, code=None)
        return len(asked.read_text().splitlines())

    once = questions("--env", "staging", "--to", REV)
    assert once > 0
    assert questions("--env", "staging") == once
    assert questions("--env", "dev") == 0


# -- whoever asked for changes and left


def _objects(siege: Siege) -> int:
    siege.shell.flow("review", REV, "--request-changes", "-m", "no index", actor=BOB)
    return siege.forger.head().seq


def _blocked(siege: Siege) -> dict[str, Any]:
    plan = siege.shell.json("plan", "--env", "staging", code=1)
    (verdict,) = (gate for gate in plan["steps"][0]["gates"] if gate["gate"] == "peer-reviewed")
    assert not verdict["passed"]
    return dict(verdict)


def test_the_objection_of_who_left_is_cleared_as_the_hint_says(released: Siege) -> None:
    _objects(released)
    released.policy(rf'(?m)^\[people\."{BOB}"\]\n(.+\n)+', "")
    verdict = _blocked(released)
    assert verdict["reason"].endswith(f"{BOB} can't sign any more, so new bytes alone clear that")
    assert (verdict["hint"], verdict["who"]) == (f"change the script, then: migrate-flow self-review {REV}", [ADA])
    released.script.write_text(released.script.read_text() + "\n# with an index\n")
    released.shell.flow("self-review", REV, actor=ADA)
    assert "1 peer review missing" in _blocked(released)["reason"]


def test_who_lost_the_role_takes_an_objection_back(released: Siege) -> None:
    seq = _objects(released)
    released.policy(rf'(?<=\[people\."{BOB}"\]\nroles = \["developer")\]', ', "release-manager"]')
    released.policy(rf'(?<=\[people\."{BOB}"\]\nroles = \[)"developer", ', "")
    verdict = _blocked(released)
    assert (verdict["hint"], verdict["who"]) == (f"migrate-flow revoke {seq} -m WHY", [BOB])
    released.shell.flow("revoke", str(seq), "-m", "there is one", actor=BOB)
    assert "changes requested" not in _blocked(released)["reason"]
