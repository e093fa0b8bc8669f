"""What an auditor looks at first: everything about a change that is not as the plain way goes, with its position.

The controls are held against every try that counts, also where a later one is what stands now: what was put right
afterwards still happened.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate_flow.core.audit_people import deed
from migrate_flow.core.entry import Kind
from migrate_flow.core.history import Applied, Attestation
from migrate_flow.core.policy import Level
from migrate_flow.core.rehearsal import Grade
from migrate_flow.core.standing import unclaimed

if TYPE_CHECKING:
    from migrate_flow.core.audit import Act
    from migrate_flow.core.audit_case import Case, Judged
    from migrate_flow.core.audit_tries import Try
    from migrate_flow.core.evidence import Evidence


def exceptions(case: Case, evidence: Evidence) -> tuple[str, ...]:
    """Each in a sentence; out-of-band and waived gates first. evidence: all that counts by now."""
    found = [*_ways_around(case), *_controls(case), *_people(case), *_taken_back(case), *_attempts(case)]
    found += [*_evidence(case, evidence), *_drift(case)]
    return tuple(dict.fromkeys(found))


def _ways_around(case: Case) -> Iterator[str]:
    for found in case.place.adopted:
        act = found.act
        if found.state is Applied.OUT_OF_BAND:
            yield f"applied out of band: {act.person} found it there and recorded it (entry {act.seq}){_why(act)}"
    for act in case.place.gone:
        yield f"taken out out of band: {act.person} found it gone and recorded that (entry {act.seq}){_why(act)}"
    for act in case.place.waivers:
        if not act.flaw:
            gate, _, why = act.text.partition(": ")
            yield f"{act.person} waived the gate {gate} (entry {act.seq}): {why}"


def _controls(case: Case) -> Iterator[str]:
    for number, one in enumerate(case.tries):
        if not one.made.resumes:
            later = [other.made.intent.seq for other in case.tries[number + 1 :] if other.made.counts]
            later += [act.seq for act in case.rollbacks if act.seq > one.made.intent.seq]
            yield from _unapproved(case, one, min(later, default=case.history.seq + 1))
    said = [(one.made.reviews, one.made.approvals) for one in case.tries] or [(case.reviews, case.approvals)]
    for reviews, approvals in said:
        for person in sorted({one.actor for one in reviews} & {one.actor for one in approvals}):
            seqs = sorted(one.seq for one in (*reviews, *approvals) if one.actor == person)
            yield f"{person} both reviewed and approved it (entries {', '.join(map(str, seqs))})"
    withdrawn = case.record.withdrawn()
    application = case.stand.application
    if withdrawn is not None and application is not None and application.stands:
        why = case.notes.texts.get(withdrawn.seq, "")
        yield f"withdrawn by {withdrawn.actor} (entry {withdrawn.seq}), and it stands applied" + (
            f": {why}" if why else ""
        )
    if case.replaced is not None:
        act = case.replaced
        yield f"the database that this tells of was replaced by {act.person} (entry {act.seq}){_why(act)}"


def _unapproved(case: Case, one: Judged, until: int) -> Iterator[str]:
    """until: position of the next try, or of the rollback; what was said after that is for the next one."""
    made, began = one.made, one.made.intent.seq
    if one.approved is False:
        lacks = [f"{count} × {role} missing" for role, count in one.missing.items()]
        lacks += [f"the approval of {said.actor} (entry {said.seq}) was {why}" for said, why in made.expired]
        text = f"not approved as the policy asks when it was meant (entry {began})"
        yield f"{text}: {', '.join(lacks)}" if lacks else text
    if made.upstream is False:
        yield f"it did not stand upstream when it was meant (entry {began})"
    if one.approved is False and made.ended and made.ended[0] == Applied.APPLIED:
        for said in case.record.approvals:
            if began < said.seq < until and said.manifest == made.content.manifest and said.was_valid:
                yield f"{said.actor} approved it after it was applied (entry {said.seq}, applied from entry {began} on)"


def _counted(case: Case) -> list[Attestation]:
    """Reviews and approvals that counted at any of the tries; now, if there was none."""
    tries = [one.made for one in case.tries]
    found = {said.seq: said for made in tries for said in (*made.reviews, *made.approvals)}
    found |= {said.seq: said for said in (*case.reviews, *case.approvals)}
    return [found[seq] for seq in sorted(found)]


def _people(case: Case) -> Iterator[str]:
    people, counted = case.people, _counted(case)
    for said in counted:
        yield from people.only_by(said, case.authors)
    for one in case.tries:
        made, rules = one.made, one.made.policy.environments.get(case.environment)
        if made.counts and rules is not None and made.asked is Level.APPROVED:
            yield from people.applier_only_by(made.intent, rules.apply_roles, case.authors)
    signed = [case.said(said) for said in counted]
    signed += [case.said(said) for said in (case.self_review,) if said is not None]
    signed += [one.made.intent for one in case.tries]
    for act in signed:
        revoked = people.revoked(act)
        # What was signed before the position from which on a key is not trusted counts: keys are rotated.
        if revoked is not None and revoked.seq > act.seq and 0 < revoked.since <= act.seq:
            why = f": {revoked.why}" if revoked.why else ""
            yield (
                f"the key {act.key} with which {act.person} {deed(act.kind)} (entry {act.seq}) was revoked by "
                f"{revoked.by} (entry {revoked.seq}){why}"
            )
    for said in (*([case.self_review] if case.self_review else []), *case.reviews):
        authors = said.fields.get("git", {}).get("authors", ())
        named = [author for author in authors if isinstance(author, str)] if isinstance(authors, list) else []
        if unknown := unclaimed(case.history.policy, named):
            yield f"git names authors whom nobody in the policy claims: {', '.join(unknown)} (entry {said.seq})"


def _taken_back(case: Case) -> Iterator[str]:
    for act in case.uncounted:
        made = case.counted.get(act.seq)
        if made is not None:
            yield (
                f"{act.person} {deed(act.kind)} (entry {act.seq}), which counted when it was meant (entry "
                f"{made.intent.seq}) and does not any more: {act.flaw}"
            )
        else:
            yield f"{act.person} {deed(act.kind)} (entry {act.seq}), which does not count: {act.flaw}"


def _attempts(case: Case) -> Iterator[str]:
    for act in case.place.refused:
        if not act.flaw:
            yield f"refused to {act.person} (entry {act.seq}): {act.text}"
    for made in case.place.tries:
        way = "an upgrade" if made.up else "a rollback"
        for outcome, act in made.outcomes:
            if act.kind == Kind.APPLY_RECOVERED:
                yield f"{act.person} settled the outcome afterwards, as {outcome} (entry {act.seq}){_why(act)}"
            elif outcome == Applied.PARTIAL:
                yield f"{way} changed the database in part (entry {act.seq}){_why(act)}"
            elif outcome == Applied.FAILED:
                yield f"{way} failed (entry {act.seq}){_why(act)}"
    for act in case.rollbacks:
        yield f"rolled back by {act.person} (entry {act.seq}){_why(act)}"
    if case.outcome == Applied.OPEN and case.stand.attempt is not None:
        yield f"its outcome is not known: the attempt of entry {case.stand.attempt.seq} is open"


def _evidence(case: Case, evidence: Evidence) -> Iterator[str]:
    began = case.shown.intent.seq if case.shown and case.shown.counts else 0

    def place(seq: int) -> str:
        return f"entry {seq}, after it was meant in entry {began}" if 0 < began < seq else f"entry {seq}"

    for lint in evidence.newest_lint():
        if lint.errors:
            yield f"lint found {lint.errors} errors that nobody waived ({place(lint.seq)})"
    for dialect in sorted({one.dialect for one in evidence.rehearsals}):
        for run in evidence.newest_rehearsals(dialect):
            if run.grade == Grade.IRREVERSIBLE:
                yield f"it can't be undone: rehearsed on {run.server} ({place(run.seq)})"
            elif not run.grade:
                yield f"a rehearsal on {run.server or dialect} came to no end ({place(run.seq)}): {run.error}"
    for one in case.tries:
        if one.made.counts and not one.made.resumes and one.made.checked is False:
            yield from _unchecked(case, one.made)
    if began:
        then = {one.seq for made in case.tries for one in made.made.evidence.rehearsals}
        for run in evidence.rehearsals:
            if run.seq > began and run.seq not in then and (run.lost or run.grade == Grade.LOSSY):
                yield f"it loses data, as a rehearsal on {run.server} showed ({place(run.seq)})"


def _unchecked(case: Case, made: Try) -> Iterator[str]:
    """What was missing, or spoke against it, when it was meant; and what came afterwards."""
    began, known = made.intent.seq, made.evidence
    late = sorted(seq for seq, of, _one in case.notes.evidence if of == made.content.manifest and seq > began)
    lacks = [] if known.lint else ["lint"]
    if not known.rehearsals:
        lacks.append("rehearsal")
    else:
        lacks += [f"rehearsal on {name}" for name in made.dialects if not known.newest_rehearsals(name)]
    if lacks:
        came = f"; what came later: entries {', '.join(map(str, late))}" if late else ""
        yield f"no {' and no '.join(lacks)} of these bytes is on record (applied from entry {began} on){came}"
    else:
        yield f"what was on record of these bytes spoke against them when it was meant (entry {began})"


def _drift(case: Case) -> Iterator[str]:
    for act in case.place.drift:
        if not act.flaw:
            found = "found a schema that nobody recorded" if act.kind == Kind.DRIFT_FOUND else "accepted drift"
            yield f"{act.person} {found} where it was the newest (entry {act.seq}){_why(act)}"


def _why(act: Act) -> str:
    return f": {act.text}" if act.text else ""
