"""Settles an interrupted attempt from evidence. Never runs migration code; running it twice changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from migrate_flow.core.entry import Entry, Kind, Subject
from migrate_flow.core.history import Applied, Attempt, TargetRecord
from migrate_flow.core.plan import Outcome
from migrate_flow.errors import Refused, TargetError, UnsettledError, UsageError
from migrate_flow.failpoint import Failpoint, passing
from migrate_flow.services.review import ask
from migrate_flow.services.schema import read_schema, schema_fields
from migrate_flow.services.settle import Evidence, gather, outcome_fields, record_outcome

if TYPE_CHECKING:
    from migrate_flow.core.trace import Durability
    from migrate_flow.services.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a person adds to the evidence, and why; empty for evidence alone.

    abandon: what the attempt left was undone by hand. resume: it goes on where it stopped, at the next apply. stated:
    whether statements in doubt were done, by number. end_orphans: end what still runs in the server.
    resuming: an attempt that may go on is left open.
    """

    why: str = ""
    abandon: bool = False
    resume: bool = False
    stated: Mapping[int, Durability] = field(default_factory=dict)
    end_orphans: bool = False
    resuming: bool = False

    @property
    def decides(self) -> bool:
        return self.abandon or self.resume or bool(self.stated) or self.end_orphans


@dataclass(frozen=True, slots=True)
class Recovered:
    """outcome: ``applied``, ``failed``, or ``partial`` where it stays open. reason: the evidence.

    decision: ``abandoned`` or ``resume`` where a person's word counted, empty where the evidence was enough.
    """

    environment: str
    attempt: str
    revision: str
    direction: str
    outcome: Outcome
    reason: str
    seq: int
    decision: str = ""


def recover(workspace: Workspace, environment: str, settlement: Settlement | None = None) -> list[Recovered]:
    """Raises BusyError while the attempt still runs, UnsettledError where the evidence does not decide it, Refused."""
    settlement = settlement or Settlement()
    rules = workspace.rules(environment)
    if settlement.decides:
        signer = workspace.signer()
        if rules.apply_roles and not workspace.policy.has_role(signer.person, rules.apply_roles):
            needed = " or ".join(rules.apply_roles)
            raise Refused(
                f"{signer.person} may not decide on an attempt in {environment}: {needed} is needed",
                hint=ask(workspace.holders(rules.apply_roles), f"recover --env {environment}"),
            )
    if not workspace.history.environment(environment).open_attempts():
        return []
    workspace.signer()
    try:
        with workspace.target(environment).lock(end_orphans=settlement.end_orphans):
            return settle_open(workspace, environment, settlement)
    except TargetError as error:
        raise UnsettledError(error.message, hint=error.hint, where=error.where) from error


def settle_open(workspace: Workspace, environment: str, settlement: Settlement | None = None) -> list[Recovered]:
    """As recover, for a caller that holds the target's lock."""
    # Whoever held the lock before may have settled it.
    workspace.book.catch_up()
    found = workspace.history.environment(environment).open_attempts()
    if found and workspace.rules(environment).personal:
        # Each developer has a database of one's own: those of others are theirs to settle.
        seen = workspace.target(environment).observe().identity
        found = [(target, attempt) for target, attempt in found if seen is None or seen.uuid == target.uuid]
    if found:
        passing(Failpoint.RECOVERY_BEGUN)
    settled = [
        _settle(workspace, environment, target, attempt, settlement or Settlement()) for target, attempt in found
    ]
    return [item for item in settled if item is not None]


def _settle(
    workspace: Workspace, environment: str, target: TargetRecord, attempt: Attempt, settlement: Settlement
) -> Recovered | None:
    evidence = gather(workspace, environment, attempt)
    seen = evidence.observation.identity
    if evidence.outcome is not None and (seen is None or seen.uuid != target.uuid):
        anew = f"migrate-flow adopt --env {environment} --new-target -m WHY"
        hint = f"correct its url; or, where that database is gone: {anew}"
        raise _unsettled(environment, attempt, "another database answers than the one that it ran on", hint)
    if evidence.outcome is None:
        raise _unsettled(environment, attempt, evidence.reason)
    passing(Failpoint.RECOVERY_EVIDENCE)
    known = target.applications.get(attempt.revision)
    partial = known is not None and known.state is Applied.PARTIAL and known.attempt == attempt.id
    clean = evidence.outcome is Outcome.FAILED and not partial
    if evidence.outcome is Outcome.APPLIED or clean:
        # Whatever was asked for: there is nothing to decide.
        said = {"outcome": evidence.outcome.value, **_by_hand(settlement)}
        return _record(workspace, environment, target, attempt, evidence, evidence.outcome, said)
    if attempt.may_resume and settlement.resuming:
        return None
    if settlement.abandon:
        _require_heads_as_before(environment, attempt, evidence)
        said = {"outcome": Outcome.FAILED.value, "decision": "abandoned", **_by_hand(settlement)}
        return _record(workspace, environment, target, attempt, evidence, Outcome.FAILED, said)
    if settlement.resume or settlement.stated:
        return _decide(workspace, environment, target, attempt, evidence, settlement)
    as_before = set(evidence.observation.heads or ()) == set(attempt.from_heads)
    if as_before and not partial:
        said = {"error": "interrupted", **_by_hand(settlement)}
        _append(workspace, Kind.APPLY_PARTIAL, environment, target, attempt, evidence, said)
    raise _partly(environment, attempt, evidence)


def _record(
    workspace: Workspace,
    environment: str,
    target: TargetRecord,
    attempt: Attempt,
    evidence: Evidence,
    outcome: Outcome,
    said: dict[str, object],
) -> Recovered:
    entry = _append(workspace, Kind.APPLY_RECOVERED, environment, target, attempt, evidence, said)
    passing(Failpoint.RECOVERY_RECORDED)
    decision = str(said.get("decision", ""))
    return Recovered(
        environment, attempt.id, attempt.revision, attempt.direction, outcome, evidence.reason, entry.seq, decision
    )


def _by_hand(settlement: Settlement) -> dict[str, object]:
    """What a person did before the evidence was read, and why."""
    said: dict[str, object] = {"comment": settlement.why} if settlement.why else {}
    return said | ({"ended_orphans": True} if settlement.end_orphans else {})


def _append(
    workspace: Workspace,
    kind: Kind,
    environment: str,
    target: TargetRecord,
    attempt: Attempt,
    evidence: Evidence,
    said: dict[str, object],
) -> Entry:
    intent = workspace.book.entries([attempt.seq])[0]
    subjects = tuple(Subject(item["name"], item["digest"]["sha256"]) for item in intent.document["subject"])
    fields = {**outcome_fields(environment, target.uuid, attempt, evidence), **said}
    stored: list[bytes] = []
    if evidence.outcome is Outcome.APPLIED:
        fields["schema"], stored = schema_fields(read_schema(workspace, environment))
    return record_outcome(workspace, kind, subjects, fields, attempt, environment, stored)


def _decide(
    workspace: Workspace,
    environment: str,
    target: TargetRecord,
    attempt: Attempt,
    evidence: Evidence,
    settlement: Settlement,
) -> Recovered:
    """What a person states of statements in doubt, and whether the attempt goes on."""
    # What was stated before can be stated otherwise: the last word counts.
    doubtful = {item.n for item in evidence.trace.doubtful} | set(attempt.stated)
    if unknown := set(settlement.stated) - doubtful:
        numbers = ", ".join(map(str, sorted(doubtful))) or "none"
        raise UsageError(
            f"statement {min(unknown)} is not in doubt",
            hint=f"in doubt: {numbers}; migrate-flow status",
            where="--statement",
        )
    trace = evidence.trace.decided(settlement.stated, again=frozenset(attempt.stated))
    said: dict[str, object] = {"outcome": Outcome.PARTIAL.value, **_by_hand(settlement)}
    if settlement.stated:
        said["statements"] = {str(n): state.value for n, state in settlement.stated.items()}
    if settlement.resume:
        _require_heads_as_before(environment, attempt, evidence)
        if trace.doubtful:
            raise _partly(environment, attempt, evidence)
        if not trace.known:
            raise _unsettled(
                environment,
                attempt,
                "the script committed by itself, so where it stopped is not known",
                f"undo by hand what it left, then: migrate-flow recover --env {environment} --abandon -m WHAT-YOU-DID",
            )
        said["decision"] = "resume"
    stated = replace(evidence, trace=trace, reason="; ".join(("as stated", *trace.sentences())))
    return _record(workspace, environment, target, attempt, stated, Outcome.PARTIAL, said)


def _require_heads_as_before(environment: str, attempt: Attempt, evidence: Evidence) -> None:
    if set(evidence.observation.heads or ()) == set(attempt.from_heads):
        return
    was = ", ".join(attempt.from_heads) or "nothing"
    hint = f"bring the version table back to {was} (alembic downgrade), then migrate-flow recover --env {environment}"
    raise _unsettled(environment, attempt, evidence.reason, hint)


def _partly(environment: str, attempt: Attempt, evidence: Evidence) -> UnsettledError:
    _require_heads_as_before(environment, attempt, evidence)
    recover_with = f"migrate-flow recover --env {environment}"
    ways = [f"undo by hand what it left, then: {recover_with} --abandon -m WHAT-YOU-DID"]
    if evidence.trace.doubtful:
        number = evidence.trace.doubtful[0].n
        ways.insert(0, f"look whether it was done, then: {recover_with} --statement {number}=done|not-done -m WHY")
    elif evidence.trace.known:
        ways.insert(0, f"go on after what is durable: {recover_with} --resume -m WHY, then apply")
    return UnsettledError(
        f"attempt {attempt.id} of {attempt.by} on {attempt.revision} changed {environment} in part: {evidence.reason}",
        hint="; or ".join(ways),
        where=environment,
    )


def _unsettled(environment: str, attempt: Attempt, reason: str, hint: str = "") -> UnsettledError:
    return UnsettledError(
        f"attempt {attempt.id} of {attempt.by} ({attempt.direction} {attempt.revision}) can't be settled: {reason}",
        hint=hint or f"migrate-flow env test {environment}; then migrate-flow recover --env {environment}",
        where=environment,
    )
