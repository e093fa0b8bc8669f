"""The migration has stood in every upstream environment for the configured time.

Clears it: waiting. On a bad night: `migrate-flow approve REV --waive soaked --env ENV -m WHY`, by an approver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate_flow.core.history import STANDING_STATES
from migrate_flow.core.schedule import format_duration
from migrate_flow.core.verdict import Verdict
from migrate_flow.gates.gate import Gate

if TYPE_CHECKING:
    from migrate_flow.core.facts import Facts


def judge(facts: Facts) -> Verdict:
    soak = facts.rules.soak
    if soak is None:
        return Verdict("soaked", True, "no soak time is configured")
    waive = f"migrate-flow approve {facts.revision} --waive soaked --env {facts.rules.name} -m WHY"
    for name, application in facts.upstream.items():
        if application is None or application.state not in STANDING_STATES:
            return _verdict(facts, f"not applied in {name} yet", f"migrate-flow apply {facts.revision} --env {name}")
        rest = application.at + soak - facts.now
        if rest.total_seconds() > 0:
            reason = f"in {name} for {format_duration(facts.now - application.at)}, {format_duration(rest)} to go"
            return _verdict(facts, reason, f"wait {format_duration(rest)}, or: {waive}")
    return Verdict("soaked", True, f"at least {format_duration(soak)} in {', '.join(facts.upstream)}")


def _verdict(facts: Facts, reason: str, hint: str) -> Verdict:
    if "soaked" in facts.waived:
        return Verdict("soaked", True, f"waived: {reason}")
    return Verdict("soaked", False, reason, hint, facts.policy.holders(facts.policy.approvals))


GATE = Gate("soaked", 50, judge, applies=lambda rules: rules.soak is not None, waivable=True)
