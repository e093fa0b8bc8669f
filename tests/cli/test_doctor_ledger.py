"""`doctor` about a ledger that does not belong where it lies."""

from __future__ import annotations

import subprocess

import pytest

from tests.support.project import CARLA, Project


def git(*words: str) -> None:
    subprocess.run(["git", *words], check=True, capture_output=True, timeout=30)


@pytest.mark.parametrize("path", [".migrate-flow/ledger.db", ".migrate-flow/keys"])
def test_a_ledger_in_version_control_is_a_problem(project: Project, path: str) -> None:
    git("init")
    git("add", "migrations")
    git("commit", "-m", "the scripts")
    assert not [c for c in project.json("doctor", actor=CARLA)["checks"] if "version control" in c["message"]]
    git("add", "-f", path)
    git("commit", "-m", "by mistake")
    found = [c for c in project.json("doctor", actor=CARLA, code=1)["checks"] if "version control" in c["message"]]
    assert [(check["area"], check["state"]) for check in found] == [("ledger", "problem")]
    assert "git rm -r --cached .migrate-flow" in found[0]["hint"]
