"""The database that answers is the one that the ledger knows by this environment's name, and stands where the
ledger says.

Problem: a URL that points elsewhere, a restored or recreated database, a schema changed outside the flow, or a
checkout that lacks the revision where it stands.
Clears it: a right URL; `migrate-flow adopt --env ENV` for what stands already; `migrate-flow adopt --env ENV
--new-target -m WHY` for a new database under an old name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate_flow.core.policy import POLICY_ADMIN
from migrate_flow.core.verdict import Verdict
from migrate_flow.gates.gate import DOWN, UP, Gate, Scope

if TYPE_CHECKING:
    from migrate_flow.core.facts import Facts
    from migrate_flow.core.history import TargetRecord


def judge(facts: Facts) -> Verdict:
    seen, name = facts.observation, facts.rules.name
    if seen.problem:
        hint = f"migrate-flow env test {name}"
        return Verdict("target-identified", False, seen.problem, hint, _admins(facts), checked=False)
    for reason, hint in (_wrong_kind(facts), _wrong_row(facts), _wrong_place(facts)):
        if reason:
            return Verdict("target-identified", False, reason, hint, _admins(facts))
    if seen.identity is None:
        return Verdict("target-identified", True, f"an empty database, to be claimed for {name}")
    return Verdict("target-identified", True, f"target {seen.identity.uuid[:8]} of {name}")


def _wrong_kind(facts: Facts) -> tuple[str, str]:
    seen, rules = facts.observation, facts.rules
    if seen.dialect != rules.dialect:
        reason = f"it is a {seen.dialect} database, the policy says {rules.dialect}"
        return reason, f"correct url or dialect of [environments.{rules.name}]"
    if seen.obstacle:
        return seen.obstacle, f"point [environments.{rules.name}] url at the primary server, with a role that may write"
    return "", ""


def _wrong_row(facts: Facts) -> tuple[str, str]:
    seen, name = facts.observation, facts.rules.name
    adopt, anew = f"migrate-flow adopt --env {name} -m WHY", f"migrate-flow adopt --env {name} --new-target -m WHY"
    known = facts.history.environment(name).targets
    row = seen.identity
    if row is None:
        if known and not facts.rules.personal:
            return f"the database has no identity row, but the ledger knows a target of {name}", anew
        if seen.tables:
            tables = ", ".join(seen.tables[:3])
            return f"it was never adopted, and is not empty ({tables}{' …' if len(seen.tables) > 3 else ''})", adopt
        return "", ""
    if row.environment != name or row.project != facts.history.project:
        whose = f"{row.environment} of project {row.project}"
        return f"the database says that it is {whose}", f"correct url of [environments.{name}]"
    if row.ledger != facts.history.ledger:
        return "the database belongs to another ledger", "correct url of [ledger], or: " + anew
    if row.uuid not in known:
        if known and not facts.rules.personal:
            return "it is not the database that the ledger knows (copied or restored from elsewhere?)", anew
        if seen.heads:
            return "the ledger knows nothing of what stands in it", adopt
    return "", ""


def _wrong_place(facts: Facts) -> tuple[str, str]:
    seen, target = facts.observation, facts.target
    if target is None or target.heads is None or seen.heads is None or target.attempt is not None:
        return "", ""  # an open attempt is said by no-open-attempt, and recovery settles it
    if set(target.heads) == set(seen.heads):
        reason, hint = _wrong_receipt(facts, target)
        if not reason and facts.unknown_heads:
            reason = f"it stands at {', '.join(facts.unknown_heads)}, which this checkout does not hold"
            hint = "git pull, or check out the branch that holds it"
        return reason, hint
    there, here = ", ".join(seen.heads) or "nothing", ", ".join(target.heads) or "nothing"
    reason = f"its version table says {there}, the ledger says {here}: changed outside the flow"
    return reason, f"migrate-flow adopt --env {facts.rules.name} -m WHY"


def _wrong_receipt(facts: Facts, target: TargetRecord) -> tuple[str, str]:
    seen = facts.observation.receipt
    if not target.receipt or (seen is not None and seen.attempt == target.receipt):
        return "", ""
    there = f"its newest receipt is of attempt {seen.attempt[:8]}" if seen else "its receipts are gone"
    reason = f"{there}, the ledger's newest is {target.receipt[:8]}: restored from a backup, or changed by hand"
    return reason, f"migrate-flow adopt --env {facts.rules.name} -m WHY"


def _admins(facts: Facts) -> tuple[str, ...]:
    return facts.policy.holders([POLICY_ADMIN])


GATE = Gate("target-identified", 85, judge, scope=Scope.TARGET, directions=UP | DOWN)
