"""The person whose key signs holds one of the environment's `apply_roles`.

Clears it: somebody else runs the command, or `--as PERSON` where that person's key is here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate_flow.core.nearest import meant
from migrate_flow.core.verdict import Verdict
from migrate_flow.gates.gate import DOWN, UP, Gate, Scope

if TYPE_CHECKING:
    from migrate_flow.core.facts import Facts


def judge(facts: Facts) -> Verdict:
    roles, name = facts.rules.apply_roles, facts.rules.name
    who = facts.policy.holders(roles) if roles else tuple(sorted(facts.policy.people))
    if not facts.actor:
        hint = "name a person whose key is here: migrate-flow --as PERSON …"
        return Verdict("applier-allowed", False, "no signing key is known here", hint, who, checked=False)
    if facts.actor not in facts.policy.people:
        hint = f"migrate-flow people add {facts.actor} --role ROLE --key 'KEY'"
        said = f"{facts.actor} is not in the policy{meant(facts.actor, facts.policy.people)}"
        return Verdict("applier-allowed", False, said, hint, who)
    if roles and not facts.policy.has_role(facts.actor, roles):
        reason = f"{facts.actor} is no {' or '.join(roles)}, which {name} asks for"
        return Verdict("applier-allowed", False, reason, _hint(who, name), who)
    return Verdict("applier-allowed", True, f"{facts.actor} may apply to {name}")


def _hint(who: tuple[str, ...], environment: str) -> str:
    if not who:
        return "migrate-flow people add EMAIL --role ROLE --key 'KEY', then migrate-flow policy record"
    return f"migrate-flow --as {who[0]} apply --env {environment}"


GATE = Gate("applier-allowed", 80, judge, scope=Scope.TARGET, directions=UP | DOWN)
