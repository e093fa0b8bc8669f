"""After the plan the target has one head for each label, so that the next `head` is not ambiguous.

A branch that was withdrawn does not count: `head` leaves it out.
Clears it: `migrate-flow new --merge REV REV -m MESSAGE`, or naming the revision instead of `head`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate_flow.core.verdict import Verdict
from migrate_flow.gates.gate import Gate

if TYPE_CHECKING:
    from migrate_flow.core.facts import Facts


def judge(facts: Facts) -> Verdict:
    heads = facts.conflicting_heads
    if not heads:
        return Verdict("single-head", True, "one head for each branch")
    hint = f"migrate-flow new --merge {' '.join(heads)} -m 'merge'"
    reason = f"{len(heads)} heads on one branch: {', '.join(heads)}"
    return Verdict("single-head", False, reason, hint, facts.policy.holders(facts.policy.review_roles))


GATE = Gate("single-head", 60, judge)
