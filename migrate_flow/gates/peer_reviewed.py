"""Enough people who did not write it have read these bytes and agree, and nobody asks for changes.

Clears it: `migrate-flow review REV --approve`, by somebody with a review role who contributed nothing to it.
An open request for changes is cleared by new bytes, or by the person who made it. Where the policy refuses authors
whom nobody claims (`unknown_authors = "refuse"`), the address is added to its person's aliases.
"""

from __future__ import annotations

from migrate_flow.core.facts import Facts
from migrate_flow.core.policy import POLICY_ADMIN, Level
from migrate_flow.core.standing import refuses_unknown_authors
from migrate_flow.core.verdict import Verdict
from migrate_flow.gates.gate import Gate


def judge(facts: Facts) -> Verdict:
    standing = facts.standing
    hint = f"migrate-flow review {facts.revision} --approve"
    if standing.objections:
        who = tuple(said.actor for said in standing.objections)
        comment = standing.objections[-1].fields.get("comment", "")
        reason = f"changes requested by {', '.join(who)}" + (f": {comment}" if comment else "")
        return Verdict("peer-reviewed", False, reason, hint, who)
    if standing.unknown_authors and refuses_unknown_authors(facts.policy):
        reason = f"git names authors whom nobody in the policy claims: {', '.join(standing.unknown_authors)}"
        hint = "add each address to its person's aliases in migrate-flow.toml, then migrate-flow policy record"
        return Verdict("peer-reviewed", False, reason, hint, facts.policy.holders([POLICY_ADMIN]))
    if standing.reviews_missing == 0:
        return Verdict("peer-reviewed", True, "by " + ", ".join(said.actor for said in standing.reviews))
    missing = standing.reviews_missing
    reason = f"{missing} peer review{'s' if missing > 1 else ''} missing for these bytes"
    if not standing.may_review:
        return Verdict("peer-reviewed", False, f"{reason}, and nobody is left who may give it", _help(facts))
    return Verdict("peer-reviewed", False, reason, hint, standing.may_review)


def _help(facts: Facts) -> str:
    role = sorted(facts.policy.review_roles)[0]
    return f"migrate-flow people add EMAIL --role {role} --key 'KEY', then migrate-flow policy record"


GATE = Gate("peer-reviewed", 30, judge, Level.PEER_REVIEWED)
