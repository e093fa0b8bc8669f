"""Signatures under what a plan relies on, besides the entries about the migration itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.faults.siege import ADA, BOB, CY, DAN, REV, Siege, copied
from tests.support.alembic_projects import write_script

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def _two(_released: Siege, tmp_path_factory: pytest.TempPathFactory) -> Siege:
    made = copied(_released, tmp_path_factory.mktemp("two"))
    write_script(made.script.parent, "aaaa02", REV)
    for actor, *words in (
        (ADA, "track"), (ADA, "apply", "--env", "dev"), (ADA, "self-review", "aaaa02"),
        (BOB, "review", "aaaa02", "--approve"), (CY, "approve", "aaaa02"),
    ):  # fmt: skip
        made.shell.flow(*words, actor=actor)
    return made


@pytest.fixture
def two(_two: Siege, tmp_path: Path) -> Siege:
    """Two migrations, one on the other, both ready for staging."""
    return copied(_two, tmp_path)


def _forge(siege: Siege, meant: Callable[[Mapping[str, Any]], bool], folder: Path) -> tuple[Siege, int]:
    """The newest entry that is meant is moved to the end, under an older signature of its signer: the key is right, and
    every hash fits. In the hands of somebody who saw nothing of the ledger before."""
    rows = siege.forger.rows()
    last = next(row for row in reversed(rows) if meant(row))
    assert last["seq"] == len(rows), "what comes behind it would name another entry before it"
    older = next(row["signature"] for row in rows if row["actor"] == last["actor"] and row is not last)
    siege.forger.rewrite([*((row["statement"], row["signature"]) for row in rows[:-1]), (last["statement"], older)])
    folder.mkdir()
    return copied(siege, folder), last["seq"]


def _verdicts(siege: Siege, code: int) -> dict[str, dict[str, Any]]:
    """`signatures-valid`, by revision."""
    plan = siege.shell.json("plan", "--env", "staging", actor=DAN, code=code)
    found = {step["revision"]: step["gates"] for step in plan["steps"]}
    failed = {gate["gate"] for gates in (*found.values(), plan["gates"]) for gate in gates if not gate["passed"]}
    assert failed <= {"signatures-valid"}
    return {
        revision: next(gate for gate in gates if gate["gate"] == "signatures-valid")
        for revision, gates in found.items()
    }


@pytest.mark.fault("A20")
def test_what_says_where_the_target_stands(two: Siege, tmp_path: Path) -> None:
    """Dan applied the first one; the plan of the second builds on that word."""
    two.shell.flow("apply", REV, "--env", "staging", actor=DAN)
    assert _verdicts(two, 0)["aaaa02"]["passed"]
    forged, seq = _forge(two, lambda row: row["kind"] == "apply.applied", tmp_path / "elsewhere")
    verdict = _verdicts(forged, 1)["aaaa02"]
    assert f"entry {seq} by {DAN}: the signature does not fit" in verdict["reason"]
    assert verdict["hint"] == "migrate-flow ledger verify"
    before = forged.contents("staging")
    forged.shell.flow("apply", "--env", "staging", actor=DAN, code=1)
    assert forged.contents("staging") == before


@pytest.mark.fault("A10")
def test_what_comes_earlier_in_the_plan(two: Siege, tmp_path: Path) -> None:
    """Bob's word on the first one is nobody's: nothing that stands on it is ready either."""
    two.shell.flow("review", REV, "--approve", "-m", "once more", actor=BOB)
    assert all(verdict["passed"] for verdict in _verdicts(two, 0).values())
    forged, seq = _forge(two, lambda row: row["kind"] == "migration.reviewed", tmp_path / "elsewhere")
    verdicts = _verdicts(forged, 1)
    assert set(verdicts) == {REV, "aaaa02"}
    for verdict in verdicts.values():
        assert f"entry {seq} by {BOB}: the signature does not fit" in verdict["reason"]
