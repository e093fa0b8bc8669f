"""The bytes that were applied have a downgrade that does something.

Problem: there is nothing to run that would undo the revision.
Clears it: nothing; write a new migration that undoes it, and take it through the flow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate_flow.core.verdict import Verdict
from migrate_flow.gates.gate import DOWN, Gate

if TYPE_CHECKING:
    from migrate_flow.core.facts import Facts


def judge(facts: Facts) -> Verdict:
    if not facts.manifest:
        hint = "check out the version that was applied, then roll back"
        return Verdict("reversible", False, "the bytes that were applied are neither here nor in the ledger", hint)
    if "irreversible" in facts.traits.risks:
        hint = "migrate-flow new -m 'undo …': a new migration that undoes it"
        reason = "its script has no downgrade() that does anything"
        return Verdict("reversible", False, reason, hint, tuple(facts.policy.people))
    return Verdict("reversible", True, "its script has a downgrade()")


GATE = Gate("reversible", 22, judge, directions=DOWN)
