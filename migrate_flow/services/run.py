"""Runs the steps of a plan, up or down, and reports what became of each."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import uuid4

from migrate_flow.core.entry import Draft, Kind
from migrate_flow.core.facts import Identity
from migrate_flow.core.plan import DONE, Outcome, Plan, PlannedStep
from migrate_flow.errors import IdentityError, TargetError, UsageError
from migrate_flow.failpoint import Failpoint, passing
from migrate_flow.services.attempt import Ran, Work, decide_again, run_one
from migrate_flow.services.content import subjects
from migrate_flow.services.facts import Situation, target_record
from migrate_flow.services.progress import Progress
from migrate_flow.services.schema import Live

if TYPE_CHECKING:
    from migrate_flow.core.revision import Revision
    from migrate_flow.services.ports import MigrationSession
    from migrate_flow.services.recover import Recovered
    from migrate_flow.services.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Report:
    """The report. interrupted: the signal that ended the run early, as an exception to raise when it is shown."""

    plan: Plan
    ran: tuple[Ran, ...]
    recovered: tuple[Recovered, ...] = ()
    interrupted: BaseException | None = None

    @property
    def allowed(self) -> bool:
        return self.plan.allowed

    @property
    def worst(self) -> Outcome:
        """The outcome that decides the exit code."""
        outcomes = [ran.outcome for ran in self.ran]
        ranked = (Outcome.PARTIAL, Outcome.FAILED, Outcome.BLOCKED)
        return next((outcome for outcome in ranked if outcome in outcomes), Outcome.APPLIED)


def not_run(plan: Plan, ran: tuple[Ran, ...]) -> tuple[Ran, ...]:
    """The steps that ran, then those that did not: blocked themselves, or skipped because of another."""
    stopped = any(item.outcome not in DONE for item in ran)
    rest = []
    for step in plan.steps[len(ran) :]:
        blocked = not stopped and (not step.decision.allowed or not plan.gates.allowed)
        rest.append(Ran(step, Outcome.BLOCKED if blocked else Outcome.SKIPPED))
    return (*ran, *rest)


def record_refusal(workspace: Workspace, plan: Plan) -> None:
    """Attempted and refused is evidence too; a reader without a key leaves none."""
    blocked = [step for step in plan.steps if not step.decision.allowed]
    decision = blocked[0].decision if blocked else plan.gates
    fields = {
        "environment": plan.environment,
        "target": plan.target,
        "direction": blocked[0].direction if blocked else "upgrade",
        "revision": blocked[0].revision if blocked else None,
        "manifest": blocked[0].manifest.digest if blocked else None,
        "plan": plan.digest,
        "gates": [{"gate": v.gate, "reason": v.reason} for v in decision.blockers],
    }
    # The refused bytes may be nowhere else in the ledger: a script that was edited after its review.
    manifest = blocked[0].manifest if blocked else None
    named = subjects(manifest) if manifest else ()
    stored = [file.content for file in manifest.files] if manifest else ()
    try:
        workspace.book.append(Draft(Kind.APPLY_REFUSED, named, fields, stored))
    except IdentityError:
        return


def run_all(
    workspace: Workspace,
    situation: Situation,
    plan: Plan,
    chosen: tuple[PlannedStep, ...],
    held: object,
    *,
    headers: Sequence[Revision] | None = None,
    allow_ahead: bool = False,
) -> Generator[Progress, None, tuple[tuple[Ran, ...], BaseException | None]]:
    """Runs the chosen steps until one does not end well. held: what the target's lock gave. headers: the graph to run
    on, default this checkout's."""
    target = workspace.target(plan.environment)
    ran: list[Ran] = []
    url, manifests = target.migration_url(), [step.manifest for step in chosen]
    session_of = workspace.runner.session(url, situation.rules.dialect, manifests, held, headers)
    with session_of as session:
        identity = _identify(workspace, situation, session)
        for number, step in enumerate(chosen, start=1):
            # Behind a step the target was just looked at, and we hold its lock; the step checks the heads once more.
            observation = (ran[-1].seen if ran else None) or target.observe()
            known = target_record(workspace, plan.environment, observation)
            rules = workspace.rules(plan.environment)
            live = Live(workspace, plan.environment, ran[-1].schema) if ran else situation.live
            fresh = replace(situation, rules=rules, observation=observation, target=known, live=live)
            work = Work(workspace, fresh, session, identity, plan, allow_ahead)
            decision = decide_again(work, step)
            if not decision.allowed:
                ran.append(Ran(replace(step, decision=decision), Outcome.BLOCKED))
                break
            done, interrupted = yield from _numbered(run_one(work, step), number, len(chosen))
            if ran:
                ran[-1] = replace(ran[-1], schema=None)  # of many steps the schemas are most of the memory
            ran.append(done)
            if interrupted is not None:
                return tuple(ran), interrupted
            took = done.duration_s or 0.0
            yield Progress("ended", step.revision, done.error, number, len(chosen), done.outcome, took)
            if done.outcome not in DONE:
                break
    return tuple(ran), None


def _numbered(
    events: Generator[Progress, None, tuple[Ran, BaseException | None]], number: int, of: int
) -> Generator[Progress, None, tuple[Ran, BaseException | None]]:
    """The step's events, as those of step number of so many. What is thrown in reaches the step."""
    try:
        event = next(events)
        while True:
            try:
                yield replace(event, number=number, of=of)
            except BaseException as error:
                event = events.throw(error)
            else:
                event = next(events)
    except StopIteration as end:
        done: tuple[Ran, BaseException | None] = end.value
        return done


def _identify(workspace: Workspace, situation: Situation, session: MigrationSession) -> Identity:
    """Claims an empty database, and makes sure that env.py connects to the very database that we observed."""
    probe = session.probe()
    if probe.dialect != situation.rules.dialect:
        raise UsageError(
            f"env.py connects to a {probe.dialect} database, the policy says {situation.rules.dialect}",
            hint="see how env.py makes its URL; [project] url_env hands it over in a variable",
            where=situation.rules.name,
        )
    known = situation.observation.identity
    if known is None:
        if probe.identity is not None or probe.heads or not probe.locked:
            raise _elsewhere(situation.rules.name)
        known = Identity(
            uuid=str(uuid4()),
            project=workspace.history.project,
            environment=situation.rules.name,
            ledger=workspace.history.ledger,
            version_table=probe.version_table,
            version_schema=probe.version_schema,
        )
        workspace.target(situation.rules.name).claim(known)
        passing(Failpoint.CLAIMED)
        probe = session.probe()
    if probe.identity != known or not probe.locked:
        raise _elsewhere(situation.rules.name)
    return known


def _elsewhere(environment: str) -> TargetError:
    return TargetError(
        "env.py connects to another database than the configuration says",
        hint="see how env.py makes its URL; [project] url_env hands it over in a variable",
        where=f"[environments.{environment}] url",
    )
