"""No earlier attempt on this target waits for its outcome.

Problem: a process was killed, or is still running; what it did is not known yet.
Clears it: `migrate-flow recover --env ENV`, by anybody in the policy; `apply` does it first by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate_flow.core.verdict import Verdict
from migrate_flow.gates.gate import DOWN, UP, Gate, Scope

if TYPE_CHECKING:
    from migrate_flow.core.facts import Facts
    from migrate_flow.core.history import Attempt


def judge(facts: Facts) -> Verdict:
    attempt = facts.target.attempt if facts.target else None
    if attempt is None and facts.target is None and not facts.rules.personal:
        # The database that answers is not the known one: the attempt on that one is open all the same.
        attempts = facts.history.environment(facts.rules.name).open_attempts()
        attempt = attempts[0][1] if attempts else None
    if attempt is None:
        return Verdict("no-open-attempt", True, "no attempt is open")
    if attempt.may_resume and _goes_on(attempt, facts):
        return Verdict("no-open-attempt", True, f"{attempt.revision} goes on where attempt {attempt.id[:8]} stopped")
    if attempt.may_resume:
        reason = (
            f"the {attempt.direction} of {attempt.revision} goes on first, with the bytes that began, "
            f"{attempt.manifest[:19]}…"
        )
        up = attempt.direction == "upgrade"
        command = f"apply {attempt.revision} --env {facts.rules.name}" if up else f"rollback --env {facts.rules.name}"
        hint = f"migrate-flow {command}; or: migrate-flow recover --env {facts.rules.name} --abandon -m WHAT-YOU-DID"
        return Verdict("no-open-attempt", False, reason, hint, tuple(facts.policy.people))
    where = f" on {attempt.operator['host']}, process {attempt.operator['pid']}" if attempt.operator else ""
    reason = f"{attempt.by} began {attempt.revision} at {attempt.at:%Y-%m-%d %H:%M} UTC{where}; no outcome yet"
    hint = f"migrate-flow recover --env {facts.rules.name}"
    return Verdict("no-open-attempt", False, reason, hint, tuple(facts.policy.people))


def _goes_on(attempt: Attempt, facts: Facts) -> bool:
    """A decision to go on holds for the very bytes that began, in their direction, and for what comes behind them."""
    if facts.direction != attempt.direction:
        return False
    if facts.revision == attempt.revision:
        return facts.manifest == attempt.manifest
    return not facts.revision or attempt.revision in facts.earlier


GATE = Gate("no-open-attempt", 90, judge, scope=Scope.TARGET, directions=UP | DOWN)
