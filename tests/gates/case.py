"""A row of a gate's table: facts in, verdict out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from migrate_flow.core.facts import Facts
from migrate_flow.core.verdict import Verdict
from migrate_flow.gates import Gate, all_gates


@dataclass(frozen=True)
class Case:
    """reason: a pattern somewhere in the verdict's. hint: a pattern at its beginning; a gate that passes has none."""

    gate: str
    name: str
    facts: Callable[[], Facts]
    passed: bool
    reason: str
    hint: str = ""
    who: tuple[str, ...] = ()
    checked: bool = True

    def __str__(self) -> str:
        return f"{self.gate}: {self.name}"


def gate(name: str) -> Gate:
    return next(gate for gate in all_gates() if gate.name == name)


def judged(case: Case) -> Verdict:
    verdict = gate(case.gate).judge(case.facts())
    assert (verdict.gate, verdict.passed, verdict.checked) == (case.gate, case.passed, case.checked), verdict
    assert re.search(case.reason, verdict.reason), verdict.reason
    assert re.match(case.hint, verdict.hint), verdict.hint
    assert verdict.who == case.who
    assert bool(verdict.hint) is not verdict.passed, (
        "a gate that fails says what clears it, one that passes asks nothing"
    )
    return verdict
