"""The bytes in this checkout are the bytes that were self-reviewed.

Problem: an edit after the review would run unseen; approval is of bytes, never of intentions.
Clears it: check out the reviewed version, or `migrate-flow self-review REV` and ask for review and approval again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate_flow.core.policy import Level
from migrate_flow.core.verdict import Verdict
from migrate_flow.gates.gate import Gate

if TYPE_CHECKING:
    from migrate_flow.core.facts import Facts


def judge(facts: Facts) -> Verdict:
    said = facts.history.record(facts.revision).last_self_review()
    if not facts.manifest:
        hint = "check out the branch that holds it"
        return Verdict("content-unchanged", False, "the script is not in this checkout", hint)
    if said is None:
        return Verdict("content-unchanged", False, "no bytes were self-reviewed yet", _hint(facts), _who(facts))
    if said.manifest == facts.manifest:
        return Verdict("content-unchanged", True, f"manifest {facts.manifest[:19]}… as self-reviewed")
    kind = ""
    if facts.behaviour and said.fields.get("behaviour") == facts.behaviour:
        kind = "; in the script only comments or formatting differ"
    reason = f"self-reviewed {said.manifest[:19]}…, here is {facts.manifest[:19]}…{kind}"
    return Verdict("content-unchanged", False, reason, _hint(facts), _who(facts))


def _hint(facts: Facts) -> str:
    return f"migrate-flow self-review {facts.revision}"


def _who(facts: Facts) -> tuple[str, ...]:
    return tuple(sorted(facts.standing.contributors))


GATE = Gate("content-unchanged", 25, judge, Level.SELF_REVIEWED)
