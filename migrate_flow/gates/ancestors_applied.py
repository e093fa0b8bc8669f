"""Everything that this migration builds on is applied, or comes earlier in the same plan.

Problem: a revision applied over a gap runs on a schema that nobody reviewed it for.
Clears it: apply the ancestors first, or name a later revision so that they are part of the plan. A revision that was
put below an applied head (by a rebase, say) has to follow the head instead. What stands in the version table and not
in the ledger is settled by `migrate-flow recover`, or declared by `migrate-flow adopt`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate_flow.core.verdict import Verdict
from migrate_flow.gates.gate import Gate

if TYPE_CHECKING:
    from migrate_flow.core.facts import Facts


def judge(facts: Facts) -> Verdict:
    if not facts.missing_ancestors:
        return Verdict("ancestors-applied", True, "its ancestors are applied, or come first in this plan")
    if facts.revision in facts.missing_ancestors:
        if facts.revision in (facts.observation.heads or ()):
            return _stands_already(facts)
        heads = ", ".join(facts.observation.heads or ())
        reason = f"it lies below {heads}, which is applied: Alembic takes it for applied, and would never run it"
        hint = f"let it follow the head (down_revision = {heads}), then self-review it again"
        return Verdict("ancestors-applied", False, reason, hint, tuple(sorted(facts.standing.contributors)))
    names = ", ".join(facts.missing_ancestors[:5]) + (" …" if len(facts.missing_ancestors) > 5 else "")
    hint = f"migrate-flow plan --env {facts.rules.name} --to {facts.missing_ancestors[0]}"
    return Verdict("ancestors-applied", False, f"not applied to {facts.rules.name}: {names}", hint, _who(facts))


def _stands_already(facts: Facts) -> Verdict:
    """A row of the version table that the ledger does not tell of, or not yet."""
    name, attempt = facts.rules.name, facts.target.attempt if facts.target else None
    if attempt is not None and attempt.revision == facts.revision:
        reason = "the version table holds it: what the open attempt came to will tell whether it is applied"
        return Verdict("ancestors-applied", False, reason, f"migrate-flow recover --env {name}", _who(facts))
    reason = "the version table holds it, and the ledger does not say how it came there"
    return Verdict("ancestors-applied", False, reason, f"migrate-flow adopt --env {name} -m WHY", _who(facts))


def _who(facts: Facts) -> tuple[str, ...]:
    return facts.policy.holders(facts.rules.apply_roles) if facts.rules.apply_roles else tuple(facts.policy.people)


GATE = Gate("ancestors-applied", 40, judge)
