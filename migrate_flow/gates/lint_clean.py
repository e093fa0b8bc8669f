"""The static rules found no error in these bytes, but for those that a comment waives with a reason.

Problem: an error of the rules is what the team agreed not to ship: a change without a rationale, without a downgrade,
or one that blocks a table.
Clears it: mend the script (new bytes, a new self-review), or `migrate-flow check REV --record` where nobody linted it.
Findings are judged with the rules that they were made with: what newer rules find is said, and refuses nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate_flow.core.policy import Level
from migrate_flow.core.verdict import Verdict
from migrate_flow.gates.gate import Gate

if TYPE_CHECKING:
    from migrate_flow.core.evidence import LintEvidence
    from migrate_flow.core.facts import Facts

NAME = "lint-clean"


def judge(facts: Facts) -> Verdict:
    newest = facts.evidence.newest_lint()
    clean = [one for one in newest if not one.errors]
    if clean:
        said = [
            _clean(clean[0]),
            *(f"other rules find {_count(one)} (entry {one.seq})" for one in newest if one.errors),
        ]
        return Verdict(NAME, True, "; ".join(said))
    if newest:
        hint = f"migrate-flow lint {facts.revision}, mend the script, then: migrate-flow self-review {facts.revision}"
        reason = f"{_count(newest[-1])} (entry {newest[-1].seq} by {newest[-1].by})"
        return Verdict(NAME, False, reason, hint, tuple(sorted(facts.standing.contributors)))
    return Verdict(NAME, False, "nobody recorded that these bytes were linted", *way_to_evidence(facts))


def way_to_evidence(facts: Facts) -> tuple[str, tuple[str, ...]]:
    """The command that records some, and who may run it: a self-review does, where one is still to come."""
    authors = tuple(sorted(facts.standing.contributors))
    if facts.standing.self_review is None and authors:
        return f"migrate-flow self-review {facts.revision}", authors
    return f"migrate-flow check {facts.revision} --record", tuple(facts.policy.people)


def _clean(one: LintEvidence) -> str:
    counts = [f"{number} {what}" for number, what in ((one.warnings, "warnings"), (one.waived, "waived")) if number]
    return f"{', '.join(['no errors', *counts])} (entry {one.seq} by {one.by})"


def _count(one: LintEvidence) -> str:
    return "1 error" if one.errors == 1 else f"{one.errors} errors"


GATE = Gate(NAME, 26, judge, Level.SELF_REVIEWED)
