"""Enough people who did not write it have read these bytes and agree, and nobody asks for changes.

Clears it: `migrate-flow review REV --approve`, by somebody with a review role who contributed nothing to it.
An open request for changes is cleared by new bytes, or by the person who made it: with `review REV --approve`, or with
`revoke SEQ -m WHY` where they lost the role that reviews. Of who can sign no more, new bytes alone clear it. Where the
policy refuses authors whom nobody claims (`unknown_authors = "refuse"`), the address is added to its person's aliases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate_flow.core.policy import POLICY_ADMIN, Level
from migrate_flow.core.standing import refuses_unknown_authors
from migrate_flow.core.verdict import Verdict
from migrate_flow.gates.gate import Gate

if TYPE_CHECKING:
    from migrate_flow.core.facts import Facts


def judge(facts: Facts) -> Verdict:
    standing = facts.standing
    hint = f"migrate-flow review {facts.revision} --approve"
    if standing.objections:
        return _objected(facts)
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


def _objected(facts: Facts) -> Verdict:
    objections = facts.standing.objections
    who = tuple(said.actor for said in objections)
    comment = objections[-1].fields.get("comment", "")
    reason = f"changes requested by {', '.join(who)}" + (f": {comment}" if comment else "")
    hint = f"migrate-flow review {facts.revision} --approve"
    if gone := [person for person in who if not set(facts.policy.keys_of(person)).difference(facts.history.revoked)]:
        reason += f"; {', '.join(gone)} can't sign any more, so new bytes alone clear that"
        hint = f"change the script, then: migrate-flow self-review {facts.revision}"
        return Verdict("peer-reviewed", False, reason, hint, tuple(sorted(facts.standing.contributors)))
    former = [said for said in objections if not facts.policy.has_role(said.actor, facts.policy.review_roles)]
    if former:
        hint = f"migrate-flow revoke {former[0].seq} -m WHY"
    return Verdict("peer-reviewed", False, reason, hint, who)


def _help(facts: Facts) -> str:
    role = sorted(facts.policy.review_roles)[0]
    return f"migrate-flow people add EMAIL --role {role} --key 'KEY', then migrate-flow policy record"


GATE = Gate("peer-reviewed", 30, judge, Level.PEER_REVIEWED)
