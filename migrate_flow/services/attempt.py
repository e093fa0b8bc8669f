"""One attempt: the intent, the step with its receipt, and the outcome as the target shows it afterwards."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass, replace
from uuid import uuid4

from migrate_flow.core.entry import Draft, Entry, Kind
from migrate_flow.core.facts import Identity
from migrate_flow.core.history import Attempt, History
from migrate_flow.core.plan import Outcome, Plan, PlannedStep
from migrate_flow.core.redaction import redact
from migrate_flow.core.verdict import Decision
from migrate_flow.errors import MigrateFlowError, Refused, Terminated, UnsettledError
from migrate_flow.gates import judge
from migrate_flow.services.content import describe, subjects
from migrate_flow.services.facts import Situation, collect, target_record
from migrate_flow.services.ports import MigrationSession, Step
from migrate_flow.services.settle import Evidence, gather, outcome_fields, record_outcome
from migrate_flow.services.workspace import Workspace

LONGEST_ERROR = 2000
_KINDS = {
    Outcome.APPLIED: Kind.APPLY_APPLIED,
    Outcome.FAILED: Kind.APPLY_FAILED,
    Outcome.PARTIAL: Kind.APPLY_PARTIAL,
}


@dataclass(frozen=True, slots=True)
class Ran:
    """A step after the run. error: the cause of a failure, redacted."""

    step: PlannedStep
    outcome: Outcome
    duration_s: float | None = None
    error: str = ""
    attempt: str = ""


def decide_again(workspace: Workspace, situation: Situation, step: PlannedStep, *, allow_ahead: bool) -> Decision:
    """Right before the intent, with the clock, the ledger and the target as they are now."""
    facts = collect(
        workspace, situation, step.revision, step.manifest, direction=step.direction, allow_ahead=allow_ahead
    )
    return judge(facts)


def run_one(
    workspace: Workspace,
    situation: Situation,
    session: MigrationSession,
    identity: Identity,
    plan: Plan,
    step: PlannedStep,
    *,
    allow_ahead: bool = False,
) -> tuple[Ran, BaseException | None]:
    """The step's outcome as observed, and the signal that ended it, to be raised when the outcome was shown."""
    environment = plan.environment
    with workspace.target(environment).watch() as committed:
        attempt_id = str(uuid4())
        entry = _intend(workspace, situation, identity, plan, step, attempt_id, allow_ahead=allow_ahead)
        attempt = workspace.history.environment(environment).targets[identity.uuid].attempt
        if attempt is None or attempt.id != attempt_id:
            hint = "migrate-flow ledger verify"
            raise UnsettledError("the intent does not count", hint=hint, where=f"entry {entry.seq}")
        begun = time.monotonic()
        error = _run(workspace, session, situation, identity, step, entry, attempt_id)
        duration = time.monotonic() - begun
        interrupted = error if isinstance(error, (KeyboardInterrupt, Terminated, GeneratorExit)) else None
        try:
            evidence = gather(workspace, environment, attempt_id, situation.heads)
            if evidence.outcome is Outcome.FAILED and committed(session.begun):
                reason = f"{evidence.reason}; but something was committed meanwhile"
                evidence = replace(evidence, outcome=Outcome.PARTIAL, reason=reason)
            return _record(workspace, environment, step, attempt, evidence, error, duration), interrupted
        except (KeyboardInterrupt, Terminated) as signal:
            raise UnsettledError(
                f"interrupted before the outcome of attempt {attempt_id} ({step.revision}) was recorded",
                hint=f"migrate-flow recover --env {environment}",
                where=environment,
            ) from signal


def _run(
    workspace: Workspace,
    session: MigrationSession,
    situation: Situation,
    identity: Identity,
    step: PlannedStep,
    intent: Entry,
    attempt: str,
) -> BaseException | None:
    """Whatever was raised, an exit and an interrupt included: the evidence decides, and is recorded."""
    settings = workspace.config.environments[situation.rules.name]
    try:
        session.run(
            Step(
                attempt=attempt,
                revision=step.revision,
                direction=step.direction,
                manifest=step.manifest,
                from_heads=situation.heads,
                identity=identity,
                intent=intent,
                lock_timeout_s=settings.lock_timeout.total_seconds(),
                statement_timeout_s=settings.statement_timeout.total_seconds(),
            )
        )
    except BaseException as error:
        return error
    return None


def _intend(
    workspace: Workspace,
    situation: Situation,
    identity: Identity,
    plan: Plan,
    step: PlannedStep,
    attempt: str,
    *,
    allow_ahead: bool,
) -> Entry:
    fields = {
        **describe(step.header, step.manifest),
        "attempt": attempt,
        "environment": plan.environment,
        "target": identity.uuid,
        "direction": step.direction,
        "from_heads": sorted(situation.heads),
        "version_table": {"name": identity.version_table, "schema": identity.version_schema},
        "plan": plan.digest,
        "comment": plan.comment or None,
        "gates": [verdict.gate for verdict in step.decision.verdicts],
        "environment_digests": workspace.runner.environment_digests(),
        "versions": workspace.runner.versions(),
        "server": situation.observation.server,
        "operator": {"host": socket.gethostname(), "pid": os.getpid()},
    }

    def recheck(_history: History) -> None:
        fresh = replace(situation, target=target_record(workspace, plan.environment, situation.observation))
        decision = decide_again(workspace, fresh, step, allow_ahead=allow_ahead)
        if not decision.allowed:
            first = decision.blockers[0]
            raise Refused(
                f"the ledger changed meanwhile: {first.gate}: {first.reason}",
                hint=first.hint or f"migrate-flow plan --env {plan.environment}",
                where=step.revision,
            )

    return workspace.book.append(
        Draft(Kind.APPLY_INTENDED, subjects(step.manifest), fields, [f.content for f in step.manifest.files]), recheck
    )


def _record(
    workspace: Workspace,
    environment: str,
    step: PlannedStep,
    attempt: Attempt,
    evidence: Evidence,
    error: BaseException | None,
    duration: float,
) -> Ran:
    if evidence.outcome is None:
        raise UnsettledError(
            f"attempt {attempt.id} ({step.revision}): its outcome is not known, {evidence.reason}",
            hint=f"migrate-flow recover --env {environment}",
            where=environment,
        ) from error
    outcome = Outcome.PARTIAL if isinstance(error, UnsettledError) else evidence.outcome
    kind = _KINDS[outcome]
    if outcome is Outcome.APPLIED and step.direction == "downgrade":
        outcome = Outcome.ROLLED_BACK
    cause = _cause(error) if error is not None else ""
    if outcome is Outcome.FAILED and not cause:
        cause = "env.py ended without an error, but nothing was committed"
    if outcome is Outcome.PARTIAL and not isinstance(error, UnsettledError):
        cause = f"{cause}; {evidence.reason}" if cause else evidence.reason
    fields = {
        **outcome_fields(environment, _target_uuid(evidence), attempt, evidence),
        "duration_ms": round(duration * 1000),
        "error": cause or None,
    }
    record_outcome(workspace, kind, tuple(subjects(step.manifest)), fields, attempt, environment)
    return Ran(step, outcome, round(duration, 3), cause, attempt.id)


def _target_uuid(evidence: Evidence) -> str:
    return evidence.observation.identity.uuid if evidence.observation.identity else ""


def _cause(error: BaseException) -> str:
    """The innermost words of what went wrong, redacted, in a bounded number of characters."""
    if isinstance(error, MigrateFlowError):
        text = error.message
    elif isinstance(error, (KeyboardInterrupt, Terminated)):
        text = "interrupted"
    else:
        original = getattr(error, "orig", None) or error
        text = f"{type(original).__name__}: {original}".strip().removesuffix(":")
        statement = getattr(error, "statement", None)
        if statement:
            text += f" [SQL: {' '.join(str(statement).split())}]"
    return redact(" ".join(text.split()))[:LONGEST_ERROR]
