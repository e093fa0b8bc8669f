"""The author vouches for these very bytes.

Problem: nobody has checked the script as it is now against the rules.
Clears it: `migrate-flow self-review REV`, by the author (or whoever takes the migration over).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate_flow.core.policy import Level
from migrate_flow.core.verdict import Verdict
from migrate_flow.gates.gate import Gate

if TYPE_CHECKING:
    from migrate_flow.core.facts import Facts


def judge(facts: Facts) -> Verdict:
    said = facts.standing.self_review
    if said is not None:
        return Verdict("self-reviewed", True, f"by {said.actor} (entry {said.seq})")
    reason = facts.standing.stale or "nobody self-reviewed it"
    who = tuple(sorted(facts.standing.contributors)) or tuple(facts.policy.people)
    return Verdict("self-reviewed", False, reason, f"migrate-flow self-review {facts.revision}", who)


GATE = Gate("self-reviewed", 20, judge, Level.SELF_REVIEWED)
