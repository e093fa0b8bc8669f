"""What an attempt came to, from evidence alone: receipt, version table and journal, read on our own connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from migrate_flow.core.entry import Draft, Entry, Kind, Subject
from migrate_flow.core.plan import Outcome
from migrate_flow.core.trace import Durability, Trace
from migrate_flow.errors import MigrateFlowError, TargetError, UnsettledError

if TYPE_CHECKING:
    from migrate_flow.core.facts import Observation, Receipt
    from migrate_flow.core.history import Attempt
    from migrate_flow.services.ports import Supervisor, Target
    from migrate_flow.services.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Evidence:
    """outcome: None where the target can't be read, so nothing is known. trace: what is durable beside a receipt."""

    outcome: Outcome | None
    observation: Observation
    receipt: Receipt | None
    reason: str
    trace: Trace = field(default_factory=Trace)


def gather(workspace: Workspace, environment: str, attempt: Attempt, supervisor: Supervisor | None = None) -> Evidence:
    """Reads the target, through a step's supervisor where there is one. Never raises for one that is out of reach."""
    target = workspace.target(environment)
    remains = target.left_by(attempt.id)
    observation, receipt = remains.observation, remains.receipt
    if observation.problem:
        return Evidence(None, observation, None, observation.problem)
    try:
        found = remains.trace if supervisor is None or receipt is not None else supervisor.trace()
        trace = joined(target, attempt, found)
    except MigrateFlowError as error:
        return Evidence(None, observation, None, error.message)
    heads, before = set(observation.heads or ()), set(attempt.from_heads)
    if receipt is not None:
        # Whatever came after it: the next look at the version table tells of that.
        return Evidence(Outcome.APPLIED, observation, receipt, "its receipt stands in the target", trace)
    if heads == before:
        if trace.empty:
            reason = "no receipt, and the version table is as before"
            return Evidence(Outcome.FAILED, observation, None, reason, trace)
        reason = "no receipt, but a part is durable"
        return Evidence(Outcome.PARTIAL, observation, None, "; ".join((reason, *trace.sentences())), trace)
    was, now = ", ".join(attempt.from_heads) or "nothing", ", ".join(observation.heads or ()) or "nothing"
    reason = "; ".join((f"no receipt, but another version table (was {was}, is {now})", *trace.sentences()))
    return Evidence(Outcome.PARTIAL, observation, None, reason, trace)


def joined(target: Target, attempt: Attempt, trace: Trace) -> Trace:
    """With what the attempts left that this one goes on with, and what people stated of them. Raises TargetError."""
    trace = trace.decided({n: Durability(state) for n, state in attempt.stated.items()})
    if attempt.resumes is None:
        return trace
    left = target.left_by(attempt.resumes.id)
    if left.observation.problem:
        raise TargetError(left.observation.problem, hint="migrate-flow recover")
    earlier = joined(target, attempt.resumes, left.trace)
    by_number = {item.n: item for item in (*earlier.statements, *trace.statements)}
    return replace(
        trace,
        segments=(*earlier.segments, *trace.segments),
        statements=tuple(by_number[n] for n in sorted(by_number)),
    )


def outcome_fields(environment: str, target: str, attempt: Attempt, evidence: Evidence) -> dict[str, Any]:
    """The fields that every outcome entry has."""
    receipt = evidence.receipt
    left = [] if evidence.outcome is Outcome.APPLIED else list(evidence.trace.sentences())
    return {
        "attempt": attempt.id,
        "environment": environment,
        "target": target,
        "direction": attempt.direction,
        "revision": attempt.revision,
        "manifest": attempt.manifest,
        "heads": sorted(receipt.to_heads if receipt else evidence.observation.heads or ()),
        "evidence": evidence.reason,
        "left": left or None,
        "receipt": {"at": receipt.at, "ledger_seq": receipt.ledger_seq} if receipt else None,
    }


def record_outcome(
    workspace: Workspace,
    kind: Kind,
    subjects: tuple[Subject, ...],
    fields: dict[str, Any],
    attempt: Attempt,
    environment: str,
    artifacts: Sequence[bytes] = (),
) -> Entry:
    """Raises UnsettledError, naming the attempt, where the ledger can't take the outcome: the next command heals it."""
    try:
        entry = workspace.book.append(Draft(kind, subjects, fields, artifacts))
    except MigrateFlowError as error:
        raise UnsettledError(
            f"attempt {attempt.id} ({attempt.revision} in {environment}) ended, "
            f"but the ledger can't take its outcome: {error.message}",
            hint=f"migrate-flow recover --env {environment}",
            where=workspace.book.ledger.describe(),
        ) from error
    if any(said.seq == entry.seq for said in workspace.history.flawed):
        raise UnsettledError(
            f"the outcome of attempt {attempt.id} ({attempt.revision} in {environment}) does not count: "
            "somebody settled it meanwhile, and maybe otherwise",
            hint=f"migrate-flow status; migrate-flow log --env {environment}",
            where=f"entry {entry.seq}",
        )
    return entry
