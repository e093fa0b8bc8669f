"""Now is inside one of the environment's apply windows.

Clears it: waiting. On a bad night: `migrate-flow approve REV --waive in-window --env ENV -m WHY`, by an approver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate_flow.core.verdict import Verdict
from migrate_flow.gates.gate import Gate

if TYPE_CHECKING:
    from migrate_flow.core.facts import Facts


def judge(facts: Facts) -> Verdict:
    windows = facts.rules.windows
    inside = next((window for window in windows if window.holds(facts.now)), None)
    if inside is not None:
        return Verdict("in-window", True, f"inside {inside.text}")
    reason = f"{facts.now:%a %H:%M} UTC is outside {', '.join(window.text for window in windows)}"
    if "in-window" in facts.waived:
        return Verdict("in-window", True, f"waived: {reason}")
    waive = f"migrate-flow approve {facts.revision} --waive in-window --env {facts.rules.name} -m WHY"
    who = facts.policy.holders(facts.policy.approvals)
    return Verdict("in-window", False, reason, f"wait for the window, or: {waive}", who)


GATE = Gate("in-window", 55, judge, applies=lambda rules: bool(rules.windows), waivable=True)
