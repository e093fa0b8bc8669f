"""Every entry about this migration, every policy, and what says where the target stands carries a valid signature by
the person it names. So do the entries about the migrations that come before it in the same plan.

What was applied long ago is not verified again: `migrate-flow ledger verify` does all.

Clears it: nothing but finding out who wrote the entry: `migrate-flow ledger verify`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate_flow.core.policy import POLICY_ADMIN
from migrate_flow.core.verdict import Verdict
from migrate_flow.gates.gate import DOWN, UP, Gate

if TYPE_CHECKING:
    from migrate_flow.core.facts import Facts


def judge(facts: Facts) -> Verdict:
    problems = facts.signature_problems
    if not problems:
        count = len(facts.history.record(facts.revision).seqs)
        entries = "1 entry" if count == 1 else f"{count} entries"
        return Verdict("signatures-valid", True, f"{entries} about it, signed by whom they name")
    who = facts.policy.holders([POLICY_ADMIN])
    return Verdict("signatures-valid", False, "; ".join(problems[:3]), "migrate-flow ledger verify", who)


GATE = Gate("signatures-valid", 75, judge, directions=UP | DOWN)
