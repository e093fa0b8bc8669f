"""Rolls applied revisions back, newest first, with the bytes and on the graph that they were applied with."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate_flow.core.graph import RevisionGraph
from migrate_flow.core.plan import Plan, PlannedStep
from migrate_flow.core.revision import Manifest, Revision
from migrate_flow.errors import Refused, ScriptError
from migrate_flow.failpoint import Failpoint, passing
from migrate_flow.gates import Direction, Scope, judge
from migrate_flow.services.applied_bytes import applied_header, applied_manifest
from migrate_flow.services.facts import Situation, collect, look
from migrate_flow.services.plan import commits_in_parts, stored_sql, surroundings_changed
from migrate_flow.services.progress import Progress
from migrate_flow.services.recover import Settlement, settle_open
from migrate_flow.services.review import require_comment
from migrate_flow.services.run import Report, not_run, record_refusal, run_all

if TYPE_CHECKING:
    from migrate_flow.core.history import Application, TargetRecord
    from migrate_flow.services.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Request:
    """to: what is to be left standing, or ``base``. allow_ahead: environments further down may keep the revisions.

    expected: the digest of a plan that somebody looked at.
    """

    environment: str
    to: Sequence[str]
    why: str
    allow_ahead: bool = False
    expected: str = ""


def plan_rollback(workspace: Workspace, request: Request) -> Plan:
    """What would be undone, and everything that stands against it. Raises UsageError, ScriptError, LedgerError."""
    require_comment(request.why, needed=True)
    return _plan(workspace, look(workspace, request.environment), request)[0]


def rollback(workspace: Workspace, request: Request) -> Generator[Progress, None, Report]:
    """Yields progress, returns the report. Raises BusyError, LedgerError, UnsettledError, UsageError, TargetError."""
    require_comment(request.why, needed=True)
    workspace.rules(request.environment)  # raises for one that is not there
    with workspace.target(request.environment).keeping():
        return (yield from _rollback(workspace, request))


def _rollback(workspace: Workspace, request: Request) -> Generator[Progress, None, Report]:
    environment = request.environment
    first = look(workspace, environment)
    workspace.signer()
    seen = first.observation
    if seen.problem or seen.obstacle or seen.dialect != first.rules.dialect:
        plan, _headers = _plan(workspace, first, request)
        record_refusal(workspace, plan)
        return Report(plan, not_run(plan, ()))
    with workspace.target(environment).lock() as held:
        passing(Failpoint.LOCKED)
        recovered = settle_open(workspace, environment, Settlement(resuming=True))
        for item in recovered:
            yield Progress("recovered", item.revision, item.reason, outcome=item.outcome)
        situation = look(workspace, environment)
        plan, headers = _plan(workspace, situation, request)
        if request.expected and request.expected != plan.digest:
            raise Refused(
                "the plan is another than the one that was named",
                hint=f"migrate-flow rollback --env {environment} --to {' --to '.join(request.to)} -m WHY --dry-run",
                where=f"now {plan.digest}",
            )
        if not plan.allowed:
            record_refusal(workspace, plan)
        if not plan.allowed or not plan.steps:
            return Report(plan, not_run(plan, ()), tuple(recovered))
        ran, interrupted = yield from run_all(
            workspace, situation, plan, plan.steps, held, headers=headers, allow_ahead=request.allow_ahead
        )
    return Report(plan, not_run(plan, ran), tuple(recovered), interrupted)


def _plan(workspace: Workspace, situation: Situation, request: Request) -> tuple[Plan, list[Revision]]:
    """The plan, and the graph to run it on: what stands in the target, as it was applied."""
    target = situation.target
    standing = _standing(target) if target else {}
    applications = [standing[revision] for revision in sorted(standing)]
    headers = [applied_header(workspace, application) for application in applications]
    graph = RevisionGraph(headers)
    undone = _undone(workspace, graph, request.to)
    steps = []
    for revision in [rev for rev in reversed(graph.order()) if rev in undone]:
        manifest = applied_manifest(workspace, standing[revision])
        steps.append(_step(workspace, situation, graph.revisions[revision], manifest, request))
    facts = collect(workspace, situation, "", None, direction=Direction.DOWNGRADE)
    plan = Plan(
        environment=situation.rules.name,
        target=situation.observation.identity.uuid if situation.observation.identity else "",
        heads=situation.heads,
        steps=tuple(steps),
        gates=judge(facts, Scope.TARGET),
        policy=workspace.policy.digest,
        notices=(
            *surroundings_changed(workspace, situation, ()),
            *commits_in_parts(steps, situation.rules.dialect),
        ),
        comment=request.why,
    )
    return plan, headers


def _standing(target: TargetRecord) -> dict[str, Application]:
    """What stands, and what was half undone and may go on: as it was applied."""
    found = {revision: target.applications[revision] for revision in target.standing()}
    attempt = target.attempt
    if attempt is not None and attempt.direction == Direction.DOWNGRADE and attempt.before is not None:
        found[attempt.revision] = attempt.before
    return found


def _undone(workspace: Workspace, graph: RevisionGraph, to: Sequence[str]) -> set[str]:
    """The applied descendants of what is to be left standing, as Alembic has it; for ``base``, everything."""
    if list(to) == ["base"]:
        return set(graph.revisions)
    kept: set[str] = set()
    for text in to:
        try:
            kept.update(graph.resolve(text))
        except ScriptError as error:
            raise ScriptError(
                f"{text!r} does not stand in this environment: {error.message}",
                hint="migrate-flow status; or --to base",
                where="--to",
            ) from error
    return graph.descendants(kept)


def _step(
    workspace: Workspace, situation: Situation, header: Revision, manifest: Manifest | None, request: Request
) -> PlannedStep:
    facts = collect(
        workspace,
        situation,
        header.id,
        manifest,
        direction=Direction.DOWNGRADE,
        allow_ahead=request.allow_ahead,
    )
    sealed = manifest or Manifest(())
    sql, note = stored_sql(workspace, header.id, facts.manifest, facts.rules.dialect, Direction.DOWNGRADE)
    return PlannedStep(
        header=header,
        direction=Direction.DOWNGRADE.value,
        manifest=sealed,
        decision=judge(facts),
        sql=sql,
        sql_note=note,
        risks=workspace.policy.risks(facts.traits),
    )
