"""The ledger knows the migration.

Problem: a script that nobody recorded has no author and no history.
Clears it: `migrate-flow track REV`, by anybody in the policy; `migrate-flow new` does it by itself. A migration that
its author withdrew is taken up again by a self-review.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate_flow.core.standing import State
from migrate_flow.core.verdict import Verdict
from migrate_flow.gates.gate import Gate

if TYPE_CHECKING:
    from migrate_flow.core.facts import Facts

_NOT_TRACKED = (State.UNTRACKED, State.GRANDFATHERED, State.WITHDRAWN)


def judge(facts: Facts) -> Verdict:
    if facts.standing.state not in _NOT_TRACKED:
        return Verdict("tracked", True, f"created by {', '.join(sorted(facts.standing.contributors))}")
    if facts.standing.state is State.WITHDRAWN:
        who = tuple(sorted(facts.standing.contributors))
        reason = "its author withdrew it"
        return Verdict("tracked", False, reason, f"to take it up again: migrate-flow self-review {facts.revision}", who)
    reason = "the ledger has no `created` entry for it"
    if facts.standing.state is State.GRANDFATHERED:
        reason = "it was adopted elsewhere, never created, reviewed or approved"
    return Verdict("tracked", False, reason, f"migrate-flow track {facts.revision}", tuple(facts.policy.people))


GATE = Gate("tracked", 10, judge)
