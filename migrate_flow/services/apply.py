"""Applies pending revisions, one at a time: intent first, the step with its receipt, then the outcome as observed."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate_flow.errors import Refused, UsageError
from migrate_flow.failpoint import Failpoint, passing
from migrate_flow.services.facts import look
from migrate_flow.services.plan import plan_upgrade
from migrate_flow.services.progress import Progress
from migrate_flow.services.recover import Settlement, settle_open
from migrate_flow.services.run import Report, not_run, record_refusal, run_all

if TYPE_CHECKING:
    from migrate_flow.services.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Request:
    """expected: the digest of a plan that somebody looked at. ready: apply what is ready before the first blocker.

    confirmed: whether the operator typed the environment's name.
    """

    environment: str
    to: str = "head"
    ready: bool = False
    expected: str = ""
    confirmed: bool = False


def apply(workspace: Workspace, request: Request) -> Generator[Progress, None, Report]:
    """Yields progress, returns the report. Raises BusyError, LedgerError, UnsettledError, UsageError, TargetError.

    A "no" of the gates is in the report, and recorded as `apply.refused`.
    """
    workspace.rules(request.environment)  # raises for one that is not there
    with workspace.target(request.environment).keeping():
        return (yield from _apply(workspace, request))


def _apply(workspace: Workspace, request: Request) -> Generator[Progress, None, Report]:
    environment = request.environment
    first = look(workspace, environment)
    workspace.signer()
    seen = first.observation
    if seen.problem or seen.obstacle or seen.dialect != first.rules.dialect:
        # Nothing to lock: the answer is the plan, with the gate that says why.
        plan = plan_upgrade(workspace, first, request.to)
        record_refusal(workspace, plan)
        return Report(plan, not_run(plan, ()))
    with workspace.target(environment).lock() as held:
        passing(Failpoint.LOCKED)
        recovered = settle_open(workspace, environment, Settlement(resuming=True))
        for item in recovered:
            yield Progress("recovered", item.revision, item.reason, outcome=item.outcome)
        situation = look(workspace, environment)
        plan = plan_upgrade(workspace, situation, request.to)
        if request.expected and request.expected != plan.digest:
            raise Refused(
                "the plan is another than the one that was named",
                hint=f"migrate-flow plan --env {environment} --to {request.to}",
                where=f"now {plan.digest}",
            )
        chosen = plan.steps if plan.allowed else plan.ready() if request.ready else ()
        if not plan.allowed:
            record_refusal(workspace, plan)
        if chosen and situation.rules.confirm and not request.confirmed:
            raise UsageError(
                f"{environment} asks for a typed confirmation of this plan",
                hint=f"add --confirm {environment}",
                where=f"[environments.{environment}] confirm",
            )
        if not chosen:
            return Report(plan, not_run(plan, ()), tuple(recovered))
        ran, interrupted = yield from run_all(workspace, situation, plan, chosen, held)
    return Report(plan, not_run(plan, ran), tuple(recovered), interrupted)
