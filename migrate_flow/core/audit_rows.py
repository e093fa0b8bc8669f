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
from migrate_flow.core.entry import Kind, format_time
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
        found += [one.content for one in place.adopted]
    return sorted(found, key=lambda one: one.seq)


def _change(watch: Watch, shared: Shared, environment: str) -> Change:
    case, evidence = _case(watch, shared, environment)
    notes, content, said, then = shared.notes, case.content, case.said, case.shown
    told = shared.told(content)
    author, vouched, applied, applier = case.author, case.self_review, case.applied, case.applier
    reviewers, approvers = ([said(one) for one in some] for some in (case.reviews, case.approvals))
    until = then.intent.seq if then and then.counts else 0
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
        created_at=next((format_time(one.at) for one in case.record.created if one.was_valid), ""),
        self_reviewed_at=format_time(vouched.at) if vouched else "",
        reviewed_at=reviewers[-1].at if reviewers else "",
        approved_at=approvers[-1].at if approvers else "",
        intended_at=then.intent.at if then and then.counts else "",
        applied_at=applied.at if applied else "",
        approved_before=case.approved_before,
        upstream_before=case.upstream_before,
        distinct_people=_distinct(case),
        lint=tuple(_linted(one, until) for one in evidence.lint),
        rehearsals=tuple(_rehearsed(one, until) for one in evidence.rehearsals),
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


def _linted(one: LintEvidence, until: int) -> Checked:
    result = f"{one.errors} errors, {one.warnings} warnings, {one.waived} waived"
    return Checked(one.seq, one.by, one.rule_set, _late(result, one.seq, until), report=one.report)


def _rehearsed(one: RehearsalEvidence, until: int) -> Checked:
    result = one.error or ("upgraded and undone" if one.undone else "upgraded" if one.upgrade else "not upgraded")
    name = f"{one.dialect}: {one.server}"
    return Checked(one.seq, one.by, name, _late(result, one.seq, until), one.grade, one.report)


def _late(result: str, seq: int, until: int) -> str:
    """until: position of the intent, 0 for none."""
    return f"{result}, after the intent" if 0 < until < seq else result


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
