"""These bytes were upgraded, downgraded and upgraded again on a scratch database of this kind, and could be undone.

Problem: nobody knows whether the downgrade works until the night on which it is needed.
Clears it: `migrate-flow check REV --record`, by anybody in the policy who has a server for it; a script that can't be
undone needs other bytes, or a policy with `allow_irreversible` and a waiver in the script.
Where an ancestor does something else than it did in the rehearsal, that rehearsal proves nothing any more. Each major
version of the server has its own word, and none of them may be a no.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate_flow.core.evidence import RehearsalEvidence, major, may_stay_irreversible, rehearsed_on
from migrate_flow.core.policy import Level
from migrate_flow.core.rehearsal import Grade
from migrate_flow.core.verdict import Verdict
from migrate_flow.gates.gate import Gate
from migrate_flow.gates.lint_clean import way_to_evidence

if TYPE_CHECKING:
    from migrate_flow.core.facts import Facts

NAME = "rehearsed"


def judge(facts: Facts) -> Verdict:
    asked = rehearsed_on(facts.policy)
    dialects = (facts.rules.dialect,) if facts.rules.dialect in asked else asked
    missing = [dialect for dialect in dialects if not facts.evidence.newest_rehearsals(dialect, facts.ancestries)]
    way, who = way_to_evidence(facts)
    if not facts.ancestries:
        return Verdict(NAME, False, "an ancestor can't be read", "migrate-flow lint", who)
    if missing:
        return Verdict(NAME, False, _missing(facts, missing), way, who)
    found = [one for dialect in dialects for one in facts.evidence.newest_rehearsals(dialect, facts.ancestries)]
    bad = [one for one in found if not _good(facts, one)]
    if bad:
        taken_back = f"{bad[0].by} takes a wrong one back: migrate-flow revoke {bad[0].seq} -m WHY"
        hint = f"migrate-flow rehearse {facts.revision}; mend the script; or where the server was at fault: {way}; "
        hint += taken_back
        return Verdict(NAME, False, "; ".join(map(_said, bad)), hint, tuple(sorted(facts.standing.contributors)))
    return Verdict(NAME, True, "; ".join([*map(_said, found), *_other_server(facts, found)]))


def _good(facts: Facts, one: RehearsalEvidence) -> bool:
    waived = one.grade == Grade.IRREVERSIBLE and one.upgrade and may_stay_irreversible(facts.policy, facts.traits)
    return one.undone or waived


def _missing(facts: Facts, dialects: list[str]) -> str:
    on = " and ".join(dialects)
    if any(facts.evidence.newest_rehearsals(dialect) for dialect in dialects):
        return f"its ancestors do not do what they did when it was rehearsed on {on}"
    return f"nobody recorded a rehearsal of these bytes on {on}"


def _said(one: RehearsalEvidence) -> str:
    error = f" ({one.error})" if one.error else ""
    return f"{one.grade or 'not rehearsed'} on {one.server}{error} (entry {one.seq} by {one.by})"


def _other_server(facts: Facts, found: list[RehearsalEvidence]) -> list[str]:
    here = major(facts.observation.server)
    known = not facts.observation.problem and not facts.observation.absent and here
    return [f"the server here is {here}"] if known and here not in {one.major for one in found} else []


GATE = Gate(NAME, 27, judge, Level.SELF_REVIEWED)
