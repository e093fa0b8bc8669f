"""Settles an interrupted attempt from evidence. Never runs migration code; running it twice changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from migrate_flow.core.entry import Kind, Subject
from migrate_flow.core.history import Applied, Attempt, TargetRecord
from migrate_flow.core.plan import Outcome
from migrate_flow.errors import Refused, TargetError, UnsettledError
from migrate_flow.services.review import ask
from migrate_flow.services.settle import gather, outcome_fields, record_outcome
from migrate_flow.services.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Recovered:
    """outcome: ``applied`` or ``failed``. reason: the evidence."""

    environment: str
    attempt: str
    revision: str
    direction: str
    outcome: Outcome
    reason: str
    seq: int


def recover(workspace: Workspace, environment: str, *, abandon: str = "") -> list[Recovered]:
    """abandon: why a partial attempt is given up, after what it left was undone by hand; empty for evidence alone.

    Raises BusyError while the attempt still runs, UnsettledError where the evidence does not decide it, Refused.
    """
    rules = workspace.rules(environment)
    if abandon:
        signer = workspace.signer()
        if rules.apply_roles and not workspace.policy.has_role(signer.person, rules.apply_roles):
            needed = " or ".join(rules.apply_roles)
            raise Refused(
                f"{signer.person} may not abandon an attempt in {environment}: {needed} is needed",
                hint=ask(workspace.policy.holders(rules.apply_roles), f"recover --env {environment} --abandon -m WHY"),
            )
    if not workspace.history.environment(environment).open_attempts():
        return []
    workspace.signer()
    try:
        with workspace.target(environment).lock():
            return settle_open(workspace, environment, abandon)
    except TargetError as error:
        raise UnsettledError(error.message, hint=error.hint, where=error.where) from error


def settle_open(workspace: Workspace, environment: str, why: str = "") -> list[Recovered]:
    """As recover, for a caller that holds the target's lock."""
    found = workspace.history.environment(environment).open_attempts()
    return [_settle(workspace, environment, target, attempt, why) for target, attempt in found]


def _settle(workspace: Workspace, environment: str, target: TargetRecord, attempt: Attempt, why: str) -> Recovered:
    evidence = gather(workspace, environment, attempt.id, attempt.from_heads)
    seen = evidence.observation.identity
    if evidence.outcome is not None and (seen is None or seen.uuid != target.uuid):
        raise _unsettled(environment, attempt, "another database answers than the one that it ran on")
    if evidence.outcome is Outcome.PARTIAL:
        was = ", ".join(attempt.from_heads) or "nothing"
        hint = (
            f"bring the version table back to {was} (alembic downgrade), then migrate-flow recover --env {environment}"
        )
        raise _unsettled(environment, attempt, evidence.reason, hint)
    if evidence.outcome not in (Outcome.APPLIED, Outcome.FAILED):
        raise _unsettled(environment, attempt, evidence.reason)
    known = target.applications.get(attempt.revision)
    partial = known is not None and known.state is Applied.PARTIAL and known.attempt == attempt.id
    if partial and evidence.outcome is Outcome.FAILED and not why:
        # What the script committed by itself left no trace in the version table: only a person can say it is mended.
        raise UnsettledError(
            f"attempt {attempt.id} of {attempt.by} on {attempt.revision} changed {environment} in part",
            hint=f"undo by hand what it left, then: migrate-flow recover --env {environment} --abandon -m WHAT-YOU-DID",
            where=environment,
        )
    intent = workspace.book.entries([attempt.seq])[0]
    subjects = tuple(Subject(item["name"], item["digest"]["sha256"]) for item in intent.document["subject"])
    fields = {**outcome_fields(environment, target.uuid, attempt, evidence), "outcome": evidence.outcome.value}
    if why:
        fields |= {"decision": "abandoned", "comment": why}
    entry = record_outcome(workspace, Kind.APPLY_RECOVERED, subjects, fields, attempt, environment)
    return Recovered(
        environment, attempt.id, attempt.revision, attempt.direction, evidence.outcome, evidence.reason, entry.seq
    )


def _unsettled(environment: str, attempt: Attempt, reason: str, hint: str = "") -> UnsettledError:
    return UnsettledError(
        f"attempt {attempt.id} of {attempt.by} ({attempt.direction} {attempt.revision}) can't be settled: {reason}",
        hint=hint or f"migrate-flow env test {environment}; then migrate-flow recover --env {environment}",
        where=environment,
    )
