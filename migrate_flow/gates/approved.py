"""Every role that the policy asks for has approved these bytes; riskier migrations ask for more.

Clears it: `migrate-flow approve REV`, by somebody who holds the missing role and neither wrote it nor, under
strict separation, reviewed it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate_flow.core.policy import Level
from migrate_flow.core.verdict import Verdict
from migrate_flow.gates.gate import Gate

if TYPE_CHECKING:
    from migrate_flow.core.facts import Facts


def judge(facts: Facts) -> Verdict:
    standing = facts.standing
    if not standing.missing_roles:
        names = (f"{said.actor} as {said.fields['role']}" for said in standing.approvals)
        return Verdict("approved", True, "by " + ", ".join(names))
    missing = ", ".join(f"{count} × {role}" for role, count in sorted(standing.missing_roles.items()))
    why = [reason for said, reason in standing.uncounted if "role" in said.fields]
    reason = f"approval missing: {missing}" + (f" ({'; '.join(why)})" if why else "")
    if not standing.may_approve:
        hint = f"migrate-flow people add EMAIL --role {sorted(standing.missing_roles)[0]} --key 'KEY'"
        return Verdict("approved", False, f"{reason}; nobody is left who may give it", hint)
    return Verdict("approved", False, reason, f"migrate-flow approve {facts.revision}", standing.may_approve)


GATE = Gate("approved", 35, judge, Level.APPROVED)
