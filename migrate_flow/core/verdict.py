"""A gate's verdict, and the decision that all verdicts make together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """hint: what clears it, preferably a command. who: people who can clear it. checked: false where the gate
    could not be evaluated here, which never counts as passed."""

    gate: str
    passed: bool
    reason: str
    hint: str = ""
    who: tuple[str, ...] = ()
    checked: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """All verdicts of one step; allowed only if every gate that is asked was checked and passes."""

    verdicts: tuple[Verdict, ...]

    @property
    def allowed(self) -> bool:
        return not self.blockers

    @property
    def blockers(self) -> tuple[Verdict, ...]:
        return tuple(verdict for verdict in self.verdicts if not (verdict.passed and verdict.checked))


def decide(verdicts: Iterable[Verdict]) -> Decision:
    return Decision(tuple(verdicts))
