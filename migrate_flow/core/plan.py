"""What would run in one environment: steps in order, each with its decision, and a digest of what was decided on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from migrate_flow.core import canonical

if TYPE_CHECKING:
    from migrate_flow.core.rehearsal import HeldLock
    from migrate_flow.core.revision import Manifest, Revision
    from migrate_flow.core.verdict import Decision


class Outcome(StrEnum):
    """How a step ended, or that it has not run."""

    PLANNED = "planned"
    APPLIED = "applied"
    ROLLED_BACK = "rolled-back"
    FAILED = "failed"
    PARTIAL = "partial"
    BLOCKED = "blocked"
    SKIPPED = "skipped"


DONE = frozenset({Outcome.APPLIED, Outcome.ROLLED_BACK})


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """header: the revision as it stands in the graph that the step runs on. sql: as rendered at the self-review,
    else as a rehearsal sent it; None where there is neither. sql_note: why it is not rendered, and where it comes from
    instead. locks: that a rehearsal saw held until the commit. rows: about how many the target's tables hold, by name.
    changes: since somebody last vouched for the revision.
    """

    header: Revision
    direction: str
    manifest: Manifest
    decision: Decision
    sql: str | None
    sql_note: str
    risks: tuple[str, ...]
    changes: tuple[str, ...] = ()
    locks: tuple[HeldLock, ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict)

    @property
    def revision(self) -> str:
        return self.header.id

    @property
    def message(self) -> str:
        return self.header.message


@dataclass(frozen=True)
class Plan:
    """target: the uuid of the database, empty if it is not claimed yet. gates: those about the target."""

    environment: str
    target: str
    heads: tuple[str, ...]
    steps: tuple[PlannedStep, ...]
    gates: Decision
    policy: str
    notices: tuple[str, ...] = ()
    comment: str = ""

    @property
    def allowed(self) -> bool:
        return self.gates.allowed and all(step.decision.allowed for step in self.steps)

    @cached_property
    def digest(self) -> str:  # every entry of a run has it
        """Over what was decided on: no time, no ledger head."""
        return plan_digest(self.environment, self.target, self.heads, self.steps, self.policy)

    def ready(self) -> tuple[PlannedStep, ...]:
        """The steps before the first blocked one."""
        blocked = next((i for i, step in enumerate(self.steps) if not step.decision.allowed), len(self.steps))
        return self.steps[:blocked] if self.gates.allowed else ()


def plan_digest(environment: str, target: str, heads: Sequence[str], steps: Sequence[PlannedStep], policy: str) -> str:
    return canonical.digest(
        {
            "environment": environment,
            "target": target,
            "heads": sorted(heads),
            "steps": [[step.revision, step.direction, step.manifest.digest] for step in steps],
            "policy": policy,
        }
    )
