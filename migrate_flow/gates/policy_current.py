"""The policy in migrate-flow.toml is the one in force, or an earlier recorded one.

Problem: the file was changed, and the policy's admins have not signed the change.
An earlier recorded policy passes, with a notice: a branch with an older file still works, under the ledger's policy.
Clears it: `migrate-flow policy diff`, then `migrate-flow policy record` by a policy-admin; or undo the edit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate_flow.core.policy import POLICY_ADMIN
from migrate_flow.core.verdict import Verdict
from migrate_flow.gates.gate import Gate, Scope

if TYPE_CHECKING:
    from migrate_flow.core.facts import Facts


def judge(facts: Facts) -> Verdict:
    number = facts.history.policies[-1].number
    if facts.policy_file.in_force:
        return Verdict("policy-current", True, f"policy {number} is in force")
    if facts.policy_file.recorded:
        reason = f"the file holds policy {facts.policy_file.recorded}; policy {number} of the ledger decides"
        return Verdict("policy-current", True, reason)
    known = (
        f"waits for more signatures (entry {facts.policy_file.waits})"
        if facts.policy_file.waits
        else "was never recorded"
    )
    reason = f"the file's policy {known}; policy {number} is in force"
    return Verdict("policy-current", False, reason, facts.policy_file.way_out, facts.policy.holders([POLICY_ADMIN]))


GATE = Gate("policy-current", 70, judge, scope=Scope.TARGET)
