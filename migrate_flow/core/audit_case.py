"""One migration in one environment, put together: which try the row tells of, what counted there, what counts now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from migrate_flow.core.audit import Act
from migrate_flow.core.audit_tries import Content, Found, Notes, Place, Try
from migrate_flow.core.history import Application, Applied, Attempt, Attestation, History, RevisionRecord
from migrate_flow.core.policy import EnvironmentRules, Level, Policy

if TYPE_CHECKING:
    from migrate_flow.core.audit_people import People
    from migrate_flow.core.standing import State

REPLACED, GONE, REFUSED = "replaced", "gone", "refused"  # outcomes that are no state of an application


@dataclass(frozen=True, slots=True)
class Stand:
    """The fold's newest word. target: of which database. retired: it is one that was replaced since, and no other
    knows of the migration. attempt: the one that is open."""

    application: Application | None = None
    target: str = ""
    retired: bool = False
    attempt: Attempt | None = None

    @property
    def seq(self) -> int:
        """Of the intent, or the adoption, that it is the word on; 0 for none."""
        if self.attempt is not None and not self._partial:
            return self.attempt.seq
        return self.application.stored if self.application else 0

    @property
    def outcome(self) -> str:
        if self.attempt is not None and not self._partial:
            return Applied.OPEN.value
        if self.application is None:
            return ""
        return REPLACED if self.retired and self.application.stands else self.application.state.value

    @property
    def _partial(self) -> bool:
        return self.application is not None and self.application.state is Applied.PARTIAL


def stand_of(history: History, environment: str, revision: str) -> Stand:
    """In the databases of today, else in one that was replaced."""
    known = history.environment(environment)
    attempt = next((attempt for _target, attempt in known.open_attempts() if attempt.revision == revision), None)
    found, targets = known.latest(revision), known.targets
    if found is None:
        targets = known.retired
        there = (target.applications.get(revision) for target in targets.values())
        found = max(filter(None, there), key=lambda one: one.seq, default=None)
    if found is None:
        return Stand(attempt=attempt)
    uuid = next(uuid for uuid, target in targets.items() if target.applications.get(revision) is found)
    return Stand(found, uuid, targets is known.retired, attempt)


def chain(place: Place, seq: int) -> Iterator[Try | Found]:
    """What the intent or adoption at a position is, then what the migration stood there by when it was meant, and so
    on."""
    known: dict[int, Try | Found] = {made.intent.seq: made for made in place.tries if made.counts}
    known |= {found.act.seq: found for found in place.adopted}
    while seq in known:
        found = known.pop(seq)
        yield found
        seq = found.stood if isinstance(found, Try) else 0


@dataclass(frozen=True, slots=True)
class Judged:
    """A try and what it needed. risks: by the script, and by the evidence of then. missing: approvals by role that the
    policy asked for and that were not there."""

    made: Try
    risks: tuple[str, ...]
    missing: Mapping[str, int]

    @property
    def approved(self) -> bool | None:
        if self.made.asked is not Level.APPROVED:
            return None
        return self.made.reached and not self.missing


@dataclass(frozen=True)
class Case:
    """shown: the try that the outcome is of; else the newest that counts, or was meant. adopted: where the outcome is
    that of an adoption; then there is none shown. tries: the upgrades that count, or else the shown one. basis: those
    that what stands there rests on, newest first.

    reviews, approvals: as they counted at the shown intent; now, where there was none. authors: of then, and whoever
    turned out to be one since. uncounted_now: what does not count any more, with the reason.
    """

    history: History
    notes: Notes
    record: RevisionRecord
    place: Place
    environment: str
    stand: Stand
    shown: Try | None
    adopted: Found | None
    tries: tuple[Judged, ...]
    basis: tuple[Judged | Found, ...]
    content: Content
    risks: tuple[str, ...]
    state: State
    reviews: tuple[Attestation, ...]
    approvals: tuple[Attestation, ...]
    authors: frozenset[str]
    uncounted_now: tuple[tuple[Attestation, str], ...]
    escalations: tuple[str, ...]
    replaced: Act | None
    people: People

    def said(self, said: Attestation, flaw: str = "") -> Act:
        return self.people.said(said, self.notes.texts.get(said.seq, ""), flaw)

    @property
    def applier(self) -> Act | None:
        if self.adopted:
            return self.adopted.act
        return self.shown.intent if self.shown and self.shown.counts else None

    @property
    def applied(self) -> Act | None:
        """The entry that says so."""
        if self.adopted:
            return self.adopted.act
        ended = self.shown.ended if self.shown else None
        return ended[1] if ended and ended[0] == Applied.APPLIED else None

    @property
    def author(self) -> Attestation | None:
        return next((one for one in (*self.record.created, *self.record.self_reviews) if one.was_valid), None)

    @property
    def created(self) -> Attestation | None:
        return next((one for one in self.record.created if one.was_valid), None)

    @cached_property
    def self_review(self) -> Attestation | None:
        """The newest of these bytes, before the intent where there was one."""
        until = self.shown.intent.seq if self.shown else self.history.seq + 1
        found = (one for one in reversed(self.record.self_reviews) if one.was_valid and one.seq < until)
        return next((one for one in found if one.manifest == self.content.manifest), None)

    @property
    def outcome(self) -> str:
        if self.stand.outcome:
            return self.stand.outcome
        if self.place.gone:
            return GONE
        return REFUSED if self.place.refused else ""

    @property
    def target(self) -> str:
        if self.adopted:
            return self.adopted.target
        return self.shown.target if self.shown and self.shown.counts else self.stand.target

    @property
    def approved_before(self) -> bool | None:
        """Whether it was approved at the position of the intent. What was found in a database shows no approval."""
        rules = self._rules
        asked = rules is not None and rules.requires is Level.APPROVED
        return self._all(asked, [one.approved for one in self._judged])

    @property
    def upstream_before(self) -> bool | None:
        return self._all(bool(self._rules and self._rules.upstream), [one.made.upstream for one in self._judged])

    @property
    def evidence_before(self) -> bool | None:
        rules = self._rules
        asked = rules is not None and rules.requires.rank >= Level.SELF_REVIEWED.rank
        return self._all(asked, [one.made.checked for one in self._judged])

    @property
    def applier_distinct(self) -> bool | None:
        """Whether nobody who set out to apply what stands there wrote, reviewed or approved it. Where the environment
        asked for no approval, as a database to try things in does, nobody asks who applies."""
        return self._all(False, [self._apart(one.made) for one in self._judged])

    def _apart(self, made: Try) -> bool | None:
        if not made.counts or made.asked is not Level.APPROVED:
            return None
        others = {said.actor for said in (*made.reviews, *made.approvals)} | self.authors
        return others.isdisjoint(act.person for act in (*made.begun, made.intent))

    @property
    def _judged(self) -> list[Judged]:
        return [one for one in self.basis if isinstance(one, Judged)]

    @property
    def _rules(self) -> EnvironmentRules | None:
        return self.history.policy.environments.get(self.environment)

    def _all(self, asked: bool, answers: Sequence[bool | None]) -> bool | None:
        """asked: whether the control concerns what is found here. Meant once more, it is as good as it was at first."""
        out_of_band = any(isinstance(one, Found) and one.state is Applied.OUT_OF_BAND for one in self.basis)
        found = [*answers, *([False] if asked and out_of_band else [])]
        return False if False in found else True if True in found else None

    @cached_property
    def failed(self) -> tuple[Act, ...]:
        bad = (Applied.FAILED, Applied.PARTIAL)
        return tuple(act for made in self.place.tries for outcome, act in made.outcomes if outcome in bad)

    @cached_property
    def rollbacks(self) -> tuple[Act, ...]:
        downs = [made for made in self.place.tries if not made.up]
        return tuple(
            Act(act.seq, act.kind, act.person, act.at, act.roles, act.key, made.intent.text or act.text, act.flaw)
            for made in downs
            for outcome, act in made.outcomes
            if outcome == Applied.APPLIED
        )

    @cached_property
    def counted(self) -> Mapping[int, Try]:
        """Position of each review and approval that counted at an intent -> the first such try."""
        found: dict[int, Try] = {}
        for one in self.tries:
            if one.made.counts:
                for said in (*one.made.reviews, *one.made.approvals):
                    found.setdefault(said.seq, one.made)
        return found

    @cached_property
    def uncounted(self) -> tuple[Act, ...]:
        """Everything that does not count, in order. Not what counted when it was meant and only lost its weight later:
        people come and go, and policies change."""
        record = self.record
        back = {meant.seq: by.seq for by, meant in record.taken_back}
        lasting = [
            (said, why)
            for said, why in self.uncounted_now
            if said.flaw or said.seq not in self.counted or said.actor in self.authors
        ]
        waivers = {act.seq for act in self.place.waivers}
        flawed = (said for said in record.everything() if said.flaw)
        here = ((said, said.flaw) for said in flawed if said not in record.waivers or said.seq in waivers)
        acts = {}
        for said, why in (*here, *lasting):
            by = back.get(said.seq, 0)
            comment = self.notes.texts.get(by, "") if f"(entry {by})" in why else ""
            acts[said.seq] = self.said(said, f"{why}: {comment}" if comment else why)
        place = self.place
        others = (*place.uncounted, *place.refused, *place.drift, *place.waivers)
        acts |= {act.seq: act for act in others if act.flaw}
        acts |= {made.intent.seq: made.intent for made in place.tries if not made.counts}
        return tuple(acts[seq] for seq in sorted(acts))


def missing(policy: Policy, risks: Sequence[str], approvals: Sequence[Attestation]) -> dict[str, int]:
    """What the policy asks for, for these risks, and is not there."""
    given = Counter(said.fields.get("role") for said in approvals)
    needed = policy.required_approvals(risks)
    return {role: count - given[role] for role, count in needed.items() if count > given[role]}
