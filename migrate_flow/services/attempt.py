"""One attempt: the intent, the step with its receipt, and the outcome as the target shows it afterwards."""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from uuid import uuid4

from migrate_flow.core.entry import Draft, Entry, Kind
from migrate_flow.core.plan import Outcome, Plan, PlannedStep
from migrate_flow.core.redaction import redact
from migrate_flow.errors import MigrateFlowError, Refused, Terminated, UnsettledError
from migrate_flow.failpoint import Failpoint, passing
from migrate_flow.gates import judge
from migrate_flow.services.content import describe, subjects
from migrate_flow.services.facts import Situation, collect, target_record
from migrate_flow.services.lookout import lookout
from migrate_flow.services.ports import MigrationSession, Running, Step, Supervisor
from migrate_flow.services.progress import Progress
from migrate_flow.services.same_schema import Unlike, beside_upstream
from migrate_flow.services.schema import Schema, read_schema, schema_fields
from migrate_flow.services.settle import Evidence, gather, joined, outcome_fields, record_outcome

if TYPE_CHECKING:
    from migrate_flow.core.facts import Identity, Observation
    from migrate_flow.core.history import Attempt, History
    from migrate_flow.core.verdict import Decision
    from migrate_flow.services.workspace import Workspace

LONGEST_ERROR = 2000
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 10.0
_KINDS = {
    Outcome.APPLIED: Kind.APPLY_APPLIED,
    Outcome.FAILED: Kind.APPLY_FAILED,
    Outcome.PARTIAL: Kind.APPLY_PARTIAL,
}
_SIGNALS = (KeyboardInterrupt, GeneratorExit)


@dataclass(frozen=True, slots=True)
class Ran:
    """A step after the run. error: the cause of a failure, redacted. tries: how often it was begun. seen: the target
    afterwards, schema its schema, where it was read. unlike: how that differs from upstream environments that stand at
    the same revisions."""

    step: PlannedStep
    outcome: Outcome
    duration_s: float | None = None
    error: str = ""
    attempt: str = ""
    left: tuple[str, ...] = ()
    tries: int = 1
    seen: Observation | None = field(default=None, repr=False, compare=False)
    schema: Schema | None = field(default=None, repr=False, compare=False)
    unlike: tuple[Unlike, ...] = ()


@dataclass(frozen=True)
class Work:
    """What the steps of one run share. situation: as it was right before this step."""

    workspace: Workspace
    situation: Situation
    session: MigrationSession
    identity: Identity
    plan: Plan
    allow_ahead: bool = False

    @property
    def environment(self) -> str:
        return self.plan.environment


def decide_again(work: Work, step: PlannedStep) -> Decision:
    """Right before the intent, with the clock, the ledger and the target as they are now."""
    facts = collect(
        work.workspace,
        work.situation,
        step.revision,
        step.manifest,
        direction=step.direction,
        allow_ahead=work.allow_ahead,
    )
    return judge(facts)


def run_one(work: Work, step: PlannedStep) -> Generator[Progress, None, tuple[Ran, BaseException | None]]:
    """The step's outcome as observed, and the signal that ended it, to be raised when the outcome was shown."""
    workspace, environment = work.workspace, work.environment
    attempt_id = str(uuid4())
    with workspace.target(environment).supervise(attempt_id) as supervisor:
        entry = _intend(work, step, attempt_id)
        passing(Failpoint.INTENT_RECORDED)
        attempt = workspace.history.environment(environment).targets[work.identity.uuid].attempt
        if attempt is None or attempt.id != attempt_id:
            hint = "migrate-flow ledger verify"
            raise UnsettledError("the intent does not count", hint=hint, where=f"entry {entry.seq}")
        begun = time.monotonic()
        try:
            error, evidence, tries = yield from _until_it_ends(work, step, entry, attempt, supervisor)
            passing(Failpoint.EVIDENCE_READ)
            ran = _record(work, step, attempt, evidence, error, time.monotonic() - begun, tries)
        except KeyboardInterrupt as signal:
            raise UnsettledError(
                f"interrupted before the outcome of attempt {attempt_id} ({step.revision}) was recorded",
                hint=f"migrate-flow recover --env {environment}",
                where=environment,
            ) from signal
        passing(Failpoint.OUTCOME_RECORDED)
        return ran, error if isinstance(error, _SIGNALS) else None


def _until_it_ends(
    work: Work, step: PlannedStep, intent: Entry, attempt: Attempt, supervisor: Supervisor
) -> Generator[Progress, None, tuple[BaseException | None, Evidence, int]]:
    """Runs the step, and again while it left nothing and failed for what passes: a lock, a deadlock."""
    workspace, environment = work.workspace, work.environment
    retries = workspace.config.environments[environment].lock_retries
    for tries in range(1, retries + 2):
        running = Running(since=time.monotonic())
        error = yield from _told(Progress("started", step.revision, step.message, running=running))
        if error is None:
            error = _run(work, step, intent, attempt, supervisor, running, again=tries > 1)
            passing(Failpoint.STEP_COMMITTED)
        if error is not None:
            workspace.target(environment).connect_anew()
        evidence = _look(work, attempt, supervisor)
        again = evidence.outcome is Outcome.FAILED and isinstance(error, Exception) and work.session.may_retry(error)
        if not again or error is None or tries > retries:
            break
        pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (tries - 1)) * random.uniform(0.5, 1.5)  # noqa: S311
        said = f"{cause(error)}; trying again in {pause:.1f} s ({tries} of {retries})"
        ended = yield from _told(Progress("retried", step.revision, said))
        ended = ended or _pause(pause)
        if ended is not None:
            error = ended
            break
    return error, evidence, tries


def _told(progress: Progress) -> Generator[Progress, None, BaseException | None]:
    """An intent stands in the ledger: whatever the listener throws in, its outcome must come too."""
    try:
        yield progress
    except BaseException as error:
        return error
    return None


def _pause(seconds: float) -> BaseException | None:
    try:
        time.sleep(seconds)
    except KeyboardInterrupt as error:
        return error
    return None


def _run(
    work: Work,
    step: PlannedStep,
    intent: Entry,
    attempt: Attempt,
    supervisor: Supervisor,
    running: Running,
    *,
    again: bool,
) -> BaseException | None:
    """Whatever was raised, an exit and an interrupt included: the evidence decides, and is recorded."""
    settings = work.workspace.config.environments[work.environment]
    try:
        resumed = (
            joined(work.workspace.target(work.environment), attempt, supervisor.trace()) if attempt.resumes else None
        )
        with lookout(work.session, supervisor, running):
            work.session.run(
                Step(
                    attempt=attempt.id,
                    revision=step.revision,
                    direction=step.direction,
                    manifest=step.manifest,
                    from_heads=work.situation.heads,
                    identity=work.identity,
                    intent=intent,
                    operator=f"{attempt.by}@{socket.gethostname()}:{os.getpid()}",
                    lock_timeout_s=settings.lock_timeout.total_seconds(),
                    statement_timeout_s=settings.statement_timeout.total_seconds(),
                    again=again,
                    resumed=resumed.durable if resumed else (),
                ),
                supervisor,
                running,
            )
    except BaseException as error:
        return error
    return None


def _look(work: Work, attempt: Attempt, supervisor: Supervisor) -> Evidence:
    """What the step left, once the server does nothing more for it."""
    try:
        return _settled(work, attempt, supervisor)
    except MigrateFlowError:
        pass  # our connection went with whatever befell the step: a new one may tell
    work.workspace.target(work.environment).connect_anew()
    try:
        with work.workspace.target(work.environment).supervise(attempt.id) as another:
            return _settled(work, attempt, another)
    except MigrateFlowError as error:
        return Evidence(None, work.situation.observation, None, error.message)


def _settled(work: Work, attempt: Attempt, supervisor: Supervisor) -> Evidence:
    if supervisor.settle(work.session.begun):
        return gather(work.workspace, work.environment, attempt, supervisor)
    return Evidence(None, work.situation.observation, None, "the server still works on it")


def _intend(work: Work, step: PlannedStep, attempt: str) -> Entry:
    workspace, situation, identity = work.workspace, work.situation, work.identity
    open_one = situation.target.attempt if situation.target else None
    schema, stored = situation.live.fields()
    fields = {
        **describe(step.header, step.manifest),
        "attempt": attempt,
        "resumes": open_one.id if open_one and open_one.may_resume else None,
        "environment": work.environment,
        "target": identity.uuid,
        "direction": step.direction,
        "from_heads": sorted(situation.heads),
        "version_table": {"name": identity.version_table, "schema": identity.version_schema},
        "plan": work.plan.digest,
        "comment": work.plan.comment or None,
        "gates": [verdict.gate for verdict in step.decision.verdicts],
        "environment_digests": dict(work.session.digests),
        "versions": workspace.runner.versions(),
        "server": situation.observation.server,
        "schema": schema,
        "operator": {"host": socket.gethostname(), "pid": os.getpid()},
    }

    def recheck(_history: History) -> None:
        # The rules too: the policy may have changed.
        known = target_record(workspace, work.environment, situation.observation)
        fresh = replace(situation, rules=workspace.rules(work.environment), target=known)
        decision = decide_again(replace(work, situation=fresh), step)
        if not decision.allowed:
            first = decision.blockers[0]
            raise Refused(
                f"the ledger changed meanwhile: {first.gate}: {first.reason}",
                hint=first.hint or f"migrate-flow plan --env {work.environment}",
                where=step.revision,
            )

    passing(Failpoint.INTENT_WRITING)
    return workspace.book.append(
        Draft(
            Kind.APPLY_INTENDED, subjects(step.manifest), fields, [*(f.content for f in step.manifest.files), *stored]
        ),
        recheck,
    )


def _record(
    work: Work,
    step: PlannedStep,
    attempt: Attempt,
    evidence: Evidence,
    error: BaseException | None,
    duration: float,
    tries: int,
) -> Ran:
    if evidence.outcome is None:
        raise UnsettledError(
            f"attempt {attempt.id} ({step.revision}): its outcome is not known, {evidence.reason}",
            hint=f"migrate-flow recover --env {work.environment}",
            where=work.environment,
        ) from error
    outcome = evidence.outcome
    kind = _KINDS[outcome]
    if outcome is Outcome.APPLIED and step.direction == "downgrade":
        outcome = Outcome.ROLLED_BACK
    why = cause(error) if error is not None else ""
    if outcome is Outcome.FAILED and not why:
        why = "env.py ended without an error, but nothing was committed"
    if outcome is Outcome.PARTIAL:
        why = why or evidence.reason
    if tries > 1 and why:
        why = f"{why} (tried {tries} times)"
    after = read_schema(work.workspace, work.environment) if evidence.outcome is Outcome.APPLIED else None
    schema, stored = schema_fields(after) if after else (None, [])
    unlike = beside_upstream(work.workspace, work.situation.rules, _standing_after(work, step), after) if after else ()
    fields = {
        **outcome_fields(work.environment, work.identity.uuid, attempt, evidence),
        "schema": schema,
        "compared": [one.fields() for one in unlike] or None,
        "duration_ms": round(duration * 1000),
        "tries": tries if tries > 1 else None,
        "error": why or None,
    }
    record_outcome(work.workspace, kind, tuple(subjects(step.manifest)), fields, attempt, work.environment, stored)
    left = evidence.trace.sentences() if outcome is Outcome.PARTIAL else ()
    return Ran(step, outcome, round(duration, 3), why, attempt.id, left, tries, evidence.observation, after, unlike)


def _standing_after(work: Work, step: PlannedStep) -> frozenset[str]:
    if step.direction == "downgrade":
        return work.situation.applied - {step.revision}
    return work.situation.applied | {step.revision}


def cause(error: BaseException) -> str:
    """What went wrong, redacted, in a bounded number of characters that the ledger can take."""
    try:
        text = _words(error)
    except Exception:  # a class of the script's own, whose words fail as well
        text = type(error).__name__
    text = text.encode(errors="backslashreplace").decode()  # bytes of a foreign name: no UTF-8
    return redact(" ".join(text.split()))[:LONGEST_ERROR]


def _words(error: BaseException) -> str:
    """The innermost ones."""
    if isinstance(error, MigrateFlowError):
        return f"{error.message}; {error.hint}" if error.hint else error.message
    if isinstance(error, Terminated):
        return "terminated"
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    original = getattr(error, "orig", None) or error
    text = f"{type(original).__name__}: {original}".strip().removesuffix(":")
    statement = getattr(error, "statement", None)
    return f"{text} [SQL: {' '.join(str(statement).split())}]" if statement else text
