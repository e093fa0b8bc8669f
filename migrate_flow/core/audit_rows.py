"""From the notes to rows: one for each migration and environment, with what it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from migrate_flow.core.audit import Change, Checked
from migrate_flow.core.audit_case import Case, Judged, chain, missing, stand_of
from migrate_flow.core.audit_exceptions import exceptions
from migrate_flow.core.audit_shared import Read, Shared
from migrate_flow.core.audit_tries import Content, Found, Notes, Place, Try
from migrate_flow.core.entry import Kind
from migrate_flow.core.history import Applied, Attestation, History
from migrate_flow.core.policy import Level, Policy
from migrate_flow.core.rehearsal import Grade

if TYPE_CHECKING:
    from migrate_flow.core.audit_notes import Watch
    from migrate_flow.core.evidence import Evidence, LintEvidence, RehearsalEvidence

_GRADES = tuple(Grade)


def changes(watch: Watch, read: Read) -> Iterator[Change]:
    """Parents first, else by the first entry; then in the order of promotion. read: the files of a migration, the
    script first."""
    order = environments(watch.history)
    for revision in _in_order(watch.notes):
        notes = watch.notes[revision]
        known = [name for name in order if name in notes.places]
        shared = Shared(watch.history, notes, read)
        for name in (*known, *sorted(notes.places.keys() - set(order))) or ("",):
            yield _change(watch, shared, name)


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
    waits: dict[str, int] = {}  # for so many parents
    children: dict[str, list[str]] = {}
    for one in notes.values():
        above = {parent for parent in _parents(one) if parent in notes and parent != one.id}
        waits[one.id] = len(above)
        for parent in above:
            children.setdefault(parent, []).append(one.id)
    ready = [(notes[revision].first, revision) for revision, number in waits.items() if not number]
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
            waits[child] -= 1
            if not waits[child]:
                heappush(ready, (notes[child].first, child))


def _parents(notes: Notes) -> tuple[str, ...]:
    """As the newest of the contents says that names any."""
    found: tuple[str, ...] = ()
    newest = 0
    for one in _contents(notes):
        if one.parents and one.seq >= newest:
            found, newest = one.parents, one.seq
    return found


def _contents(notes: Notes) -> Iterator[Content]:
    yield from notes.contents
    for place in notes.places.values():
        for made in place.tries:
            if made.counts:
                yield made.content
        for found in place.adopted:
            yield found.content


def _change(watch: Watch, shared: Shared, environment: str) -> Change:
    case, evidence = _case(watch, shared, environment)
    notes, content, told, then = shared.notes, case.content, shared.told(case.content), case.shown
    said, author, applied, applier = case.said, case.author, case.applied, case.applier
    created, vouched = (said(one) if one else None for one in (case.created, case.self_review))
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
        self_reviewer=vouched,
        reviewers=tuple(reviewers),
        approvers=tuple(approvers),
        applier=applier,
        created_at=created.at if created else "",
        self_reviewed_at=vouched.at if vouched else "",
        reviewed_at=reviewers[-1].at if reviewers else "",
        approved_at=approvers[-1].at if approvers else "",
        intended_at=then.intent.at if then and then.counts else "",
        applied_at=applied.at if applied else "",
        approved_before=case.approved_before,
        upstream_before=case.upstream_before,
        distinct_people=_distinct(case),
        lint=tuple(_linted(one, then) for one in evidence.lint),
        rehearsals=tuple(_rehearsed(one, then) for one in evidence.rehearsals),
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
        exceptions=exceptions(case, evidence),
        entries=tuple(sorted({*notes.seqs, *case.place.seqs})),
        contributors=tuple(sorted(case.authors)),
        applier_distinct=case.applier_distinct,
        evidence_before=case.evidence_before,
    )


def _case(watch: Watch, shared: Shared, environment: str) -> tuple[Case, Evidence]:
    history, notes, record = watch.history, shared.notes, shared.record
    place, stand = notes.places.get(environment) or Place(), stand_of(history, environment, notes.id)
    ups = [made for made in place.tries if made.up]
    counting = [made for made in ups if made.counts]
    rest = [one for one in chain(place, stand.seq) if isinstance(one, Found) or one.up]  # below a rollback
    shown = rest[0] if rest else next(reversed(counting or ups), None)
    made, adopted = (shown, None) if isinstance(shown, Try) else (None, shown)
    content = shared.content(shown.content if shown else None)
    evidence = shared.evidence(content.manifest)
    policy = made.policy if made else history.policy
    risks = shared.risks(policy, content, evidence)
    now = shared.progress(content.manifest, risks, made.after if made else 0)
    judged = {one.intent.seq: _judged(one, shared) for one in (*counting, *([made] if made else []))}
    approvals = made.approvals if made else tuple(now.tally.approvals.values())
    basis = rest or ([shown] if shown else [])
    case = Case(
        history=history,
        notes=notes,
        record=record,
        place=place,
        environment=environment,
        stand=stand,
        shown=made,
        adopted=adopted,
        tries=tuple(judged.values()),
        basis=tuple(judged[one.intent.seq] if isinstance(one, Try) else one for one in basis),
        content=content,
        risks=risks,
        state=now.state,
        reviews=made.reviews if made else tuple(now.tally.reviews.values()),
        approvals=approvals,
        authors=shared.authors(made) if made and made.authors else now.tally.authors,
        uncounted_now=tuple(
            (said, why)
            for said, why in now.tally.uncounted
            if said.flaw or said.kind != Kind.APPROVED or said.actor not in now.tally.approvals  # once is enough
        ),
        escalations=_escalations(policy, judged[made.intent.seq].risks if made else risks, approvals),
        replaced=watch.replaced.get(stand.target) if stand.retired else None,
        people=watch.people,
    )
    return case, evidence


def _judged(made: Try, shared: Shared) -> Judged:
    """By what stood in the ledger when it was meant."""
    risks = shared.risks(made.policy, shared.content(made.content), made.evidence)
    return Judged(made, risks, missing(made.policy, risks, made.approvals) if made.asked is Level.APPROVED else {})


def _linted(one: LintEvidence, made: Try | None) -> Checked:
    result = f"{one.errors} errors, {one.warnings} warnings, {one.waived} waived"
    return Checked(one.seq, one.by, one.rule_set, _late(result, one.seq, made), report=one.report)


def _rehearsed(one: RehearsalEvidence, made: Try | None) -> Checked:
    result = one.error or ("upgraded and undone" if one.undone else "upgraded" if one.upgrade else "not upgraded")
    name = f"{one.dialect}: {one.server}"
    return Checked(one.seq, one.by, name, _late(result, one.seq, made), one.grade, one.report)


def _late(result: str, seq: int, made: Try | None) -> str:
    return f"{result}, after the intent" if made and made.counts and made.intent.seq < seq else result


def _grade(evidence: Evidence) -> str:
    """The worst that the newest rehearsals came to; empty where none came to any."""
    dialects = {one.dialect for one in evidence.rehearsals}
    grades = {one.grade for dialect in dialects for one in evidence.newest_rehearsals(dialect)}
    return next((grade.value for grade in reversed(_GRADES) if grade in grades), "")


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


def _seconds(milliseconds: int | None) -> str:
    return "" if milliseconds is None else f"{milliseconds // 1000}.{milliseconds % 1000:03d}"
