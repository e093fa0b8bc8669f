"""What an attempt came to, from evidence alone: the receipt and the version table, read on our own connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from migrate_flow.core.entry import Draft, Entry, Kind, Subject
from migrate_flow.core.facts import Observation, Receipt
from migrate_flow.core.history import Attempt
from migrate_flow.core.plan import Outcome
from migrate_flow.errors import MigrateFlowError, UnsettledError
from migrate_flow.services.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Evidence:
    """outcome: None where the target can't be read, so nothing is known."""

    outcome: Outcome | None
    observation: Observation
    receipt: Receipt | None
    reason: str


def gather(workspace: Workspace, environment: str, attempt: str, from_heads: tuple[str, ...]) -> Evidence:
    """Reads the target. Never raises for one that is out of reach."""
    target = workspace.target(environment)
    observation = target.observe()
    if observation.problem:
        return Evidence(None, observation, None, observation.problem)
    try:
        receipt = target.receipt(attempt)
    except MigrateFlowError as error:
        return Evidence(None, observation, None, error.message)
    heads = observation.heads or ()
    if receipt is not None and set(receipt.to_heads) == set(heads):
        return Evidence(Outcome.APPLIED, observation, receipt, "its receipt stands in the target")
    if receipt is None and set(heads) == set(from_heads):
        return Evidence(Outcome.FAILED, observation, None, "no receipt, and the version table is as before")
    was, now = ", ".join(from_heads) or "nothing", ", ".join(heads) or "nothing"
    seen = "a receipt, but another version table" if receipt else "no receipt, but another version table"
    return Evidence(Outcome.PARTIAL, observation, receipt, f"{seen} (was {was}, is {now})")


def outcome_fields(environment: str, target: str, attempt: Attempt, evidence: Evidence) -> dict[str, Any]:
    """The fields that every outcome entry has."""
    receipt = evidence.receipt
    return {
        "attempt": attempt.id,
        "environment": environment,
        "target": target,
        "direction": attempt.direction,
        "revision": attempt.revision,
        "manifest": attempt.manifest,
        "heads": sorted(evidence.observation.heads or ()),
        "evidence": evidence.reason,
        "receipt": {"at": receipt.at, "ledger_seq": receipt.ledger_seq} if receipt else None,
    }


def record_outcome(
    workspace: Workspace,
    kind: Kind,
    subjects: tuple[Subject, ...],
    fields: dict[str, Any],
    attempt: Attempt,
    environment: str,
) -> Entry:
    """Raises UnsettledError, naming the attempt, where the ledger can't take the outcome: the next command heals it."""
    try:
        return workspace.book.append(Draft(kind, subjects, fields))
    except MigrateFlowError as error:
        raise UnsettledError(
            f"attempt {attempt.id} ({attempt.revision} in {environment}) ended, "
            f"but the ledger can't take its outcome: {error.message}",
            hint=f"migrate-flow recover --env {environment}",
            where=workspace.book.ledger.describe(),
        ) from error
