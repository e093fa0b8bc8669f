"""These very bytes stand applied in every upstream environment.

Problem: production would be the first place where the migration runs.
The ledger's word is held against the upstream database where that is in reach from here: whoever may apply there could
sign by hand that something ran which never did. Where it is not, the reason says that the ledger was believed.

Clears it: `migrate-flow apply REV --env UPSTREAM`. Where other bytes stand there, they are rolled back first. An edit
of comments alone does not ask for it again. Where the database contradicts the ledger, `migrate-flow adopt --env
UPSTREAM -m WHY` records what stands there, and the migration is applied there then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate_flow.core.history import STANDING_STATES, Application, Applied
from migrate_flow.core.policy import POLICY_ADMIN
from migrate_flow.core.verdict import Verdict
from migrate_flow.gates.gate import Gate

if TYPE_CHECKING:
    from migrate_flow.core.facts import Facts


def judge(facts: Facts) -> Verdict:
    problems = {name: _problem(facts, application) for name, application in facts.upstream.items()}
    missing = [f"{problem} in {name}" for name, problem in problems.items() if problem]
    if not missing:
        return _as_seen(facts)
    first = next(name for name, problem in problems.items() if problem)
    rules = facts.policy.environments[first]
    who = facts.policy.holders(rules.apply_roles) if rules.apply_roles else tuple(facts.policy.people)
    return Verdict("upstream-applied", False, ", ".join(missing), _hint(facts, first), who)


def _as_seen(facts: Facts) -> Verdict:
    """The ledger says yes everywhere: whether the databases do."""
    wrong = [sighting for sighting in facts.sightings.values() if sighting.contradicts]
    if wrong:
        reason = "; ".join(sighting.contradicts for sighting in wrong)
        return Verdict("upstream-applied", False, reason, wrong[0].hint, facts.policy.holders([POLICY_ADMIN]))
    unseen = [
        f"; the database of {name} was not looked at: {sighting.unseen}"
        for name, sighting in facts.sightings.items()
        if sighting.unseen
    ]
    return Verdict("upstream-applied", True, "applied in " + ", ".join(facts.upstream) + "".join(unseen))


def _hint(facts: Facts, environment: str) -> str:
    application = facts.upstream[environment]
    if application is not None and application.state is Applied.PARTIAL:
        return f"migrate-flow recover --env {environment}"
    apply = f"migrate-flow apply {facts.revision} --env {environment}"
    if application is not None and application.state in STANDING_STATES:
        return f"migrate-flow rollback --env {environment} --to PARENT -m WHY, then {apply}"
    return apply


def _problem(facts: Facts, application: Application | None) -> str:
    if application is None:
        return "not applied"
    if application.state is Applied.OUT_OF_BAND:
        return "it came there outside the flow"
    if application.state not in STANDING_STATES:
        return application.state.value
    same = application.manifest == facts.manifest
    if same or (application.behaviour and application.behaviour == facts.behaviour):
        return ""
    return "applied with other bytes"


GATE = Gate("upstream-applied", 45, judge, applies=lambda rules: bool(rules.upstream))
