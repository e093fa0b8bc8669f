"""What an auditor looks at first: everything about a change that is not as the plain way goes, with its position."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from migrate_flow.core.audit import Act
from migrate_flow.core.audit_notes import Content, Notes, Place, Try
from migrate_flow.core.audit_people import People, deed
from migrate_flow.core.entry import Kind
from migrate_flow.core.evidence import Evidence
from migrate_flow.core.history import Application, Applied, Attestation, History, RevisionRecord
from migrate_flow.core.policy import Level
from migrate_flow.core.rehearsal import Grade
from migrate_flow.core.standing import State, unknown_since_self_review


@dataclass(frozen=True)
class Case:
    """One migration in one environment. made: the newest upgrade that counts, else the newest that was meant. adopted:
    where an adoption is the newest word on it; then `made` is history.

    reviews, approvals, authors: as they counted at the position of the intent; now, where there was none.
    uncounted_now: what does not count any more, with the reason. missing: approvals by role that the policy asked for
    and that were not there.
    """

    history: History
    notes: Notes
    record: RevisionRecord
    place: Place
    environment: str
    made: Try | None
    adopted: tuple[Applied, Act, Content] | None
    content: Content
    risks: tuple[str, ...]
    state: State
    reviews: tuple[Attestation, ...]
    approvals: tuple[Attestation, ...]
    authors: frozenset[str]
    uncounted_now: tuple[tuple[Attestation, str], ...]
    escalations: tuple[str, ...]
    missing: Mapping[str, int]
    people: People

    def said(self, said: Attestation, flaw: str = "") -> Act:
        return self.people.said(said, self.notes.texts.get(said.seq, ""), flaw)

    @property
    def then(self) -> Try | None:
        """The attempt that the row tells of; none where an adoption is the newest word."""
        return None if self.adopted else self.made

    @property
    def applier(self) -> Act | None:
        if self.adopted:
            return self.adopted[1]
        return self.made.intent if self.made and self.made.counts else None

    @property
    def applied(self) -> Act | None:
        """The entry that says so."""
        if self.adopted:
            return self.adopted[1]
        ended = self.made.ended if self.made else None
        return ended[1] if ended and ended[0] == Applied.APPLIED else None

    @property
    def author(self) -> Attestation | None:
        return next((one for one in (*self.record.created, *self.record.self_reviews) if one.was_valid), None)

    @cached_property
    def self_review(self) -> Attestation | None:
        """The newest of these bytes, before the intent where there was one."""
        until = self.then.intent.seq if self.then else self.history.seq + 1
        found = (one for one in reversed(self.record.self_reviews) if one.was_valid and one.seq < until)
        return next((one for one in found if one.manifest == self.content.manifest), None)

    @cached_property
    def application(self) -> Application | None:
        """In the databases of today, else in one that was replaced."""
        known = self.history.environment(self.environment)
        retired = (target.applications.get(self.notes.id) for target in known.retired.values())
        return known.latest(self.notes.id) or max(filter(None, retired), key=lambda one: one.seq, default=None)

    @cached_property
    def outcome(self) -> str:
        known = self.history.environment(self.environment)
        is_open = any(attempt.revision == self.notes.id for _target, attempt in known.open_attempts())
        if self.application is not None and (not is_open or self.application.state is Applied.PARTIAL):
            return self.application.state.value
        if is_open:
            return Applied.OPEN.value
        ended = self.made.ended if self.made and self.made.counts else None
        return ended[0] if ended else "refused" if self.place.refused else ""

    @cached_property
    def target(self) -> str:
        if self.made and self.made.counts and not self.adopted:
            return self.made.target
        known = self.history.environment(self.environment)
        found = (
            uuid for uuid, target in {**known.retired, **known.targets}.items() if self.notes.id in target.applications
        )
        return next(found, "")

    @property
    def approved_before(self) -> bool | None:
        """Whether it was approved at the position of the intent. What was found in a database shows no approval."""
        if self.adopted:
            return self._of_adopted(lambda: self.rules_ask_approval)
        if self.made is None or self.made.asked is not Level.APPROVED:
            return None
        return self.made.reached and not self.missing

    @property
    def upstream_before(self) -> bool | None:
        if self.adopted:
            rules = self.history.policy.environments.get(self.environment)
            return self._of_adopted(lambda: bool(rules and rules.upstream))
        return self.made.upstream if self.made else None

    @property
    def rules_ask_approval(self) -> bool:
        rules = self.history.policy.environments.get(self.environment)
        return bool(rules and rules.requires is Level.APPROVED)

    def _of_adopted(self, asked: Callable[[], bool]) -> bool | None:
        out_of_band = self.adopted is not None and self.adopted[0] is Applied.OUT_OF_BAND
        return False if out_of_band and asked() else None

    @cached_property
    def failed(self) -> tuple[Act, ...]:
        bad = (Applied.FAILED, Applied.PARTIAL)
        return tuple(act for made in self.place.tries for outcome, act in made.outcomes if outcome in bad)

    @cached_property
    def rollbacks(self) -> tuple[Act, ...]:
        downs = [made for made in self.place.tries if not made.up]
        return tuple(
            _with_text(act, made.intent.text)
            for made in downs
            for outcome, act in made.outcomes
            if outcome == Applied.APPLIED
        )

    @cached_property
    def uncounted(self) -> tuple[Act, ...]:
        """Everything that does not count, in order."""
        record = self.record
        reasons = {said.seq: self.said(said, reason) for said, reason in self.uncounted_now}
        flawed = (said for said in (*record.everything(),) if said.flaw)
        acts = {said.seq: self.said(said, said.flaw) for said in flawed} | reasons
        acts |= {act.seq: act for act in (*self.place.uncounted, *self.place.refused, *self.place.drift) if act.flaw}
        acts |= {made.intent.seq: made.intent for made in self.place.tries if not made.counts}
        return tuple(acts[seq] for seq in sorted(acts))


def exceptions(case: Case, evidence: Evidence, people: People) -> tuple[str, ...]:
    """Each in a sentence; out-of-band and waived gates first."""
    found = [*_ways_around(case), *_controls(case), *_people(case, people), *_taken_back(case), *_attempts(case)]
    found += [*_evidence(case, evidence), *_drift(case)]
    return tuple(dict.fromkeys(found))


def _ways_around(case: Case) -> Iterator[str]:
    for state, act, _content in case.place.adopted:
        if state is Applied.OUT_OF_BAND:
            yield f"applied out of band: {act.person} found it there and recorded it (entry {act.seq}){_why(act)}"
    for act in case.place.waivers:
        if not act.flaw:
            gate, _, why = act.text.partition(": ")
            yield f"{act.person} waived the gate {gate} (entry {act.seq}): {why}"


def _controls(case: Case) -> Iterator[str]:
    made = case.made
    if made is not None and not case.adopted:
        if case.approved_before is False:
            lacks = ", ".join(f"{count} × {role}" for role, count in case.missing.items())
            yield f"not approved as the policy asks when it was meant (entry {made.intent.seq})" + (
                f": {lacks} missing" if lacks else ""
            )
        if case.upstream_before is False:
            yield f"it did not stand upstream when it was meant (entry {made.intent.seq})"
        began = made.intent.seq
        for said in case.record.approvals:
            late = said.seq > began and said.manifest == made.content.manifest and case.outcome == Applied.APPLIED
            if late and made.asked is Level.APPROVED and said.was_valid:
                yield f"{said.actor} approved it after it was applied (entry {said.seq}, applied from entry {began} on)"
    both = {said.actor for said in case.reviews} & {said.actor for said in case.approvals}
    for person in sorted(both):
        seqs = sorted(said.seq for said in (*case.reviews, *case.approvals) if said.actor == person)
        yield f"{person} both reviewed and approved it (entries {', '.join(map(str, seqs))})"
    withdrawn = case.record.withdrawn()
    if withdrawn is not None and case.application is not None and case.application.stands:
        yield f"withdrawn by {withdrawn.actor} (entry {withdrawn.seq}), and it stands applied"


def _people(case: Case, people: People) -> Iterator[str]:
    counted = [*case.reviews, *case.approvals]
    for said in counted:
        yield from people.only_by(said, case.authors)
    signed = [case.said(said) for said in counted]
    signed += [case.said(said) for said in (case.self_review,) if said is not None]
    if case.made is not None:
        signed.append(case.made.intent)
    for act in signed:
        revoked = people.revoked(act)
        # What was signed before the position from which on a key is not trusted counts: keys are rotated.
        if revoked is not None and revoked.seq > act.seq and 0 < revoked.since <= act.seq:
            why = f": {revoked.why}" if revoked.why else ""
            yield (
                f"the key {act.key} with which {act.person} {deed(act.kind)} (entry {act.seq}) was revoked by "
                f"{revoked.by} (entry {revoked.seq}){why}"
            )
    unknown = unknown_since_self_review(case.record, case.history.policy)
    if unknown:
        seq = case.self_review.seq if case.self_review else case.content.seq
        yield f"git names authors whom nobody in the policy claims: {', '.join(unknown)} (entry {seq})"


def _taken_back(case: Case) -> Iterator[str]:
    counted = {said.seq for said in (*case.reviews, *case.approvals)} if case.made and not case.adopted else set()
    for act in case.uncounted:
        if act.seq in counted and case.made is not None:
            began = case.made.intent.seq
            yield (
                f"{act.person} {deed(act.kind)} (entry {act.seq}), which counted when it was meant (entry {began}) "
                f"and does not any more: {act.flaw}"
            )
        else:
            yield f"{act.person} {deed(act.kind)} (entry {act.seq}), which does not count: {act.flaw}"


def _attempts(case: Case) -> Iterator[str]:
    for act in case.place.refused:
        if not act.flaw:
            yield f"refused to {act.person} (entry {act.seq}): {act.text}"
    for made in case.place.tries:
        way = "upgrade" if made.up else "rollback"
        for outcome, act in made.outcomes:
            if outcome == Applied.PARTIAL:
                yield f"an {way} changed the database in part (entry {act.seq}){_why(act)}".replace("an r", "a r")
            elif outcome == Applied.FAILED:
                yield f"an {way} failed (entry {act.seq}){_why(act)}".replace("an r", "a r")
            if act.kind == Kind.APPLY_RECOVERED:
                yield f"{act.person} settled the outcome afterwards, as {outcome} (entry {act.seq}){_why(act)}"
    for act in case.rollbacks:
        yield f"rolled back by {act.person} (entry {act.seq}){_why(act)}"
    if case.outcome == Applied.OPEN and case.made is not None:
        yield f"its outcome is not known: the attempt of entry {case.made.intent.seq} is open"


def _evidence(case: Case, evidence: Evidence) -> Iterator[str]:
    for lint in evidence.newest_lint():
        if lint.errors:
            yield f"lint found {lint.errors} errors that nobody waived (entry {lint.seq})"
    for dialect in sorted({one.dialect for one in evidence.rehearsals}):
        for run in evidence.newest_rehearsals(dialect):
            if run.grade == Grade.IRREVERSIBLE:
                yield f"it can't be undone: rehearsed on {run.server} (entry {run.seq})"
            elif not run.grade:
                yield f"a rehearsal on {run.server or dialect} came to no end (entry {run.seq}): {run.error}"
    made = case.made
    if made is not None and made.counts and not case.adopted and made.asked.rank >= Level.SELF_REVIEWED.rank:
        lacks = [name for name, some in (("lint", evidence.lint), ("rehearsal", evidence.rehearsals)) if not some]
        if lacks:
            yield f"no {' and no '.join(lacks)} of these bytes is on record (applied from entry {made.intent.seq} on)"


def _drift(case: Case) -> Iterator[str]:
    for act in case.place.drift:
        if not act.flaw:
            found = "found a schema that nobody recorded" if act.kind == Kind.DRIFT_FOUND else "accepted drift"
            yield f"{act.person} {found} where it was the newest (entry {act.seq}){_why(act)}"


def _why(act: Act) -> str:
    return f": {act.text}" if act.text else ""


def _with_text(act: Act, text: str) -> Act:
    return Act(act.seq, act.kind, act.person, act.at, act.roles, act.key, text or act.text, act.flaw)
