"""From the notes to rows: one for each migration and environment, with what it rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush

from migrate_flow.core.audit import Act, Change, Checked
from migrate_flow.core.audit_exceptions import Case, exceptions
from migrate_flow.core.audit_notes import Content, Notes, Place, Watch
from migrate_flow.core.entry import Kind, Subject, format_time
from migrate_flow.core.evidence import Evidence, LintEvidence, RehearsalEvidence
from migrate_flow.core.history import Applied, Attestation, History, RevisionRecord
from migrate_flow.core.policy import Level, Policy
from migrate_flow.core.rehearsal import Grade
from migrate_flow.core.standing import progress
from migrate_flow.core.traits import Traits, in_order

_GRADES = tuple(Grade)


@dataclass(frozen=True, slots=True)
class Told:
    """What the stored bytes of a script say of themselves."""

    message: str = ""
    rationale: str = ""
    contract_mapping: str = ""
    rollback_note: str = ""
    ticket: str = ""
    traits: Traits = field(default_factory=Traits)


Read = Callable[[tuple[Subject, ...]], Told]


def changes(watch: Watch, read: Read) -> Iterator[Change]:
    """Parents first, else by the first entry; then in the order of promotion. read: the files of a migration, the
    script first."""
    order = environments(watch.history)
    for revision in _in_order(watch.notes):
        notes = watch.notes[revision]
        known = [name for name in order if name in notes.places]
        for name in (*known, *sorted(notes.places.keys() - set(order))) or ("",):
            yield _change(watch, notes, name, read)


def environments(history: History) -> tuple[str, ...]:
    """In the order of promotion; those that the policy does not know any more last."""
    known = in_promotion_order(history.policy)
    return (*known, *sorted(history.environments.keys() - set(known)))


def in_promotion_order(policy: Policy) -> tuple[str, ...]:
    """Each environment behind its upstreams, else as the policy has them."""
    rules, found = dict(policy.environments), list[str]()
    while rules:
        ready = [name for name, one in rules.items() if not set(one.upstream) & rules.keys()] or list(rules)
        found.append(ready[0])
        del rules[ready[0]]
    return tuple(found)


def _in_order(notes: Mapping[str, Notes]) -> Iterator[str]:
    """Taken from the ledger alone, so that no checkout changes it."""
    parents = {one.id: set(_parents(one)) & notes.keys() - {one.id} for one in notes.values()}
    children: dict[str, list[str]] = {}
    for revision, above in parents.items():
        for parent in above:
            children.setdefault(parent, []).append(revision)
    ready = [(notes[revision].first, revision) for revision, above in parents.items() if not above]
    heapify(ready)
    left = set(notes)
    while left:
        if not ready:  # a circle, which only entries that were made by hand can tell of
            heappush(ready, min((notes[revision].first, revision) for revision in left))
        _first, revision = heappop(ready)
        if revision not in left:
            continue
        left.discard(revision)
        yield revision
        for child in children.get(revision, ()):
            parents[child].discard(revision)
            if not parents[child]:
                heappush(ready, (notes[child].first, child))


def _parents(notes: Notes) -> tuple[str, ...]:
    known = (one.parents for one in reversed(_contents(notes)))
    return next((found for found in known if found), ())


def _contents(notes: Notes) -> list[Content]:
    found = [*notes.contents]
    for place in notes.places.values():
        found += [made.content for made in place.tries if made.counts]
        found += [content for _state, _act, content in place.adopted]
    return sorted(found, key=lambda one: one.seq)


def _change(watch: Watch, notes: Notes, environment: str, read: Read) -> Change:
    case, told, evidence = _case(watch, notes, environment, read)
    content, said, then = case.content, case.said, case.then
    author, vouched, applied, applier = case.author, case.self_review, case.applied, case.applier
    reviewers, approvers = ([said(one) for one in some] for some in (case.reviews, case.approvals))
    return Change(
        revision=notes.id,
        environment=environment,
        message=told.message or content.message,
        rationale=told.rationale,
        contract_mapping=told.contract_mapping,
        rollback_note=told.rollback_note,
        ticket=told.ticket,
        risks=case.risks,
        grade=_grade(evidence),
        objects=tuple(sorted(told.traits.tables)),
        path=content.files[0].name if content.files else "",
        script_digest=f"sha256:{content.files[0].sha256}" if content.files else "",
        manifest=content.manifest,
        sql_digest="; ".join(f"{name} {digest}" for name, digest in content.sql),
        git_commit=content.git,
        parents=content.parents,
        versions=content.versions,
        state=case.state.value,
        author=said(author) if author else None,
        self_reviewer=said(vouched) if vouched else None,
        reviewers=tuple(reviewers),
        approvers=tuple(approvers),
        applier=applier,
        created_at=format_time(case.record.created[0].at) if case.record.created else "",
        self_reviewed_at=format_time(vouched.at) if vouched else "",
        reviewed_at=reviewers[-1].at if reviewers else "",
        approved_at=approvers[-1].at if approvers else "",
        intended_at=then.intent.at if then and then.counts else "",
        applied_at=applied.at if applied else "",
        approved_before=case.approved_before,
        upstream_before=case.upstream_before,
        distinct_people=_distinct(case),
        lint=tuple(_linted(one) for one in evidence.lint),
        rehearsals=tuple(_rehearsed(one) for one in evidence.rehearsals),
        attempt=then.attempt if then else "",
        outcome=case.outcome,
        duration_s=_seconds(then.duration_ms) if then else "",
        target=case.target,
        schema_before=then.schema_before if then else "",
        schema_after=then.schema_after if then else "",
        grandfathered=case.outcome == Applied.GRANDFATHERED,
        waivers=tuple(act for act in case.place.waivers if not act.flaw),
        escalations=case.escalations,
        refused=tuple(case.place.refused),
        failed=case.failed,
        rollbacks=case.rollbacks,
        uncounted=case.uncounted,
        exceptions=exceptions(case, evidence, watch.people),
        entries=tuple(sorted({*notes.seqs, *case.place.seqs})),
        contributors=tuple(sorted(case.authors)),
        applier_distinct=_apart(case, applier),
    )


def _case(watch: Watch, notes: Notes, environment: str, read: Read) -> tuple[Case, Told, Evidence]:
    history, place = watch.history, notes.places.get(environment) or Place()
    record = history.record(notes.id)
    ups = [made for made in place.tries if made.up]
    made = next((one for one in reversed(ups) if one.counts), ups[-1] if ups else None)
    adopted = place.adopted[-1] if place.adopted else None
    if adopted and made and made.counts and made.intent.seq > adopted[1].seq:
        adopted = None
    content = _content(notes, adopted[2] if adopted else made.content if made else None)
    told = read(content.files) if content.files else Told()
    evidence = _evidence(notes, record, content.manifest)
    policy = made.policy if made and not adopted else history.policy
    traits = replace(told.traits, risks=in_order({*told.traits.risks, *evidence.risks}))
    risks = policy.risks(traits)
    now = progress(record, content.manifest, history.policy, risks, approvals_after=made.after if made else 0)
    then = made if made and not adopted else None
    approvals = then.approvals if then else tuple(now.tally.approvals.values())
    case = Case(
        history=history,
        notes=notes,
        record=record,
        place=place,
        environment=environment,
        made=made,
        adopted=adopted,
        content=content,
        risks=risks,
        state=now.state,
        reviews=then.reviews if then else tuple(now.tally.reviews.values()),
        approvals=approvals,
        authors=frozenset((then.authors if then else frozenset()) or now.tally.authors),
        uncounted_now=tuple(
            (said, why)
            for said, why in now.tally.uncounted
            if said.flaw or said.kind != Kind.APPROVED or said.actor not in now.tally.approvals  # once is enough
        ),
        escalations=_escalations(policy, risks, approvals),
        missing=_missing(policy, risks, approvals) if then and then.asked is Level.APPROVED else {},
        people=watch.people,
    )
    return case, told, evidence


def _content(notes: Notes, basis: Content | None) -> Content:
    """The bytes that ran; else those that were vouched for last. With what other entries tell of the same bytes."""
    known = notes.contents[-1] if notes.contents else Content(0, "")
    found = basis or known
    for other in reversed(notes.contents):
        if other.manifest == found.manifest:
            found = replace(
                found,
                message=found.message or other.message,
                git=found.git or other.git,
                sql=found.sql or other.sql,
                versions={**other.versions, **found.versions},
            )
    return found


def _evidence(notes: Notes, record: RevisionRecord, manifest: str) -> Evidence:
    """What still counts of it."""
    flawed = {said.seq for said in (*record.checks, *record.self_reviews) if said.flaw}
    found = [one for seq, of, one in notes.evidence if of == manifest and seq not in flawed]
    return Evidence(
        tuple(lint for one in found for lint in one.lint), tuple(run for one in found for run in one.rehearsals)
    )


def _linted(one: LintEvidence) -> Checked:
    result = f"{one.errors} errors, {one.warnings} warnings, {one.waived} waived"
    return Checked(one.seq, one.by, one.rule_set, result, report=one.report)


def _rehearsed(one: RehearsalEvidence) -> Checked:
    result = one.error or ("upgraded and undone" if one.undone else "upgraded" if one.upgrade else "not upgraded")
    return Checked(one.seq, one.by, f"{one.dialect}: {one.server}", result, one.grade, one.report)


def _grade(evidence: Evidence) -> str:
    """The worst that the newest rehearsals came to; empty where none came to any."""
    dialects = {one.dialect for one in evidence.rehearsals}
    grades = {one.grade for dialect in dialects for one in evidence.newest_rehearsals(dialect)}
    return next((grade.value for grade in reversed(_GRADES) if grade in grades), "")


def _missing(policy: Policy, risks: Sequence[str], approvals: Sequence[Attestation]) -> dict[str, int]:
    """What the policy asked for at the intent, with the risks of the script, and was not there."""
    given = Counter(said.fields.get("role") for said in approvals)
    needed = policy.required_approvals(risks)
    return {role: count - given[role] for role, count in needed.items() if count > given[role]}


def _escalations(policy: Policy, risks: Sequence[str], approvals: Sequence[Attestation]) -> tuple[str, ...]:
    found = []
    for escalation in policy.escalations:
        hit = [risk for risk in risks if risk in escalation.when]
        for role, count in sorted(escalation.approvals.items()) if hit else ():
            by = [f"{said.actor} (entry {said.seq})" for said in approvals if said.fields.get("role") == role]
            found.append(f"{', '.join(hit)}: {count} × {role}, given by {', '.join(by) or 'nobody'}")
    return tuple(found)


def _distinct(case: Case) -> bool | None:
    """Whether author, reviewers and approvers are different people; None where nobody reviewed or approved."""
    reviewers, approvers = ({said.actor for said in some} for some in (case.reviews, case.approvals))
    if not (reviewers or approvers):
        return None
    return not (reviewers & approvers or (reviewers | approvers) & case.authors)


def _apart(case: Case, applier: Act | None) -> bool | None:
    if applier is None or applier.kind == Kind.TARGET_ADOPTED:
        return None
    others = {said.actor for said in (*case.reviews, *case.approvals)} | case.authors
    return applier.person not in others


def _seconds(milliseconds: int | None) -> str:
    return "" if milliseconds is None else f"{milliseconds // 1000}.{milliseconds % 1000:03d}"
