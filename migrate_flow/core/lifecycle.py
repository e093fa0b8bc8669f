"""The fold: entries in, history out. State is never stored; this is the only place that derives it.

An entry that its signer had no right to make is kept, with its flaw, and does not count. Authority is judged by
the policy in force at the entry's own position, never by a clock and never by a later policy.
Signatures are not verified here (`ledger verify` and the gate `signatures-valid` do that); the key that a
signature names is read with `key_of` and must belong to the actor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from migrate_flow.core.chain import EMPTY
from migrate_flow.core.entry import Entry, Kind, Subject, parse_time
from migrate_flow.core.history import (
    Application,
    Applied,
    Attempt,
    Attestation,
    EnvironmentRecord,
    History,
    PolicyVersion,
    RevisionRecord,
    TargetRecord,
)
from migrate_flow.core.policy import POLICY_ADMIN, EnvironmentRules, Level, Policy
from migrate_flow.core.standing import contributors

KeyOf = Callable[[str], str]


def fold(entries: Iterable[Entry], key_of: KeyOf, history: History | None = None) -> History:
    """Replay entries onto history (default: an empty one). Raises ValueError for an entry that is not ours."""
    history = history or History()
    for entry in entries:
        _add(history, entry, key_of)
    return history


def _add(history: History, entry: Entry, key_of: KeyOf) -> None:
    fields = entry.predicate
    said = Attestation(
        seq=entry.seq,
        kind=entry.kind,
        actor=entry.actor,
        key=key_of(entry.signature),
        at=parse_time(fields["at"]),
        revision=fields.get("revision", ""),
        manifest=fields.get("manifest", ""),
        fields=fields,
        subjects=tuple(Subject(item["name"], item["digest"]["sha256"]) for item in entry.document["subject"]),
    )
    if entry.kind == Kind.LEDGER_OPENED:
        _open(history, said)
    else:
        _judge_signer(history, said)
        _handle(history, said)
    history.nonces.add(fields.get("nonce", ""))
    history.hashes[entry.seq] = entry.hash
    history.head = entry.head
    history.genesis = history.genesis or entry.hash
    history.last_at = max(said.at, history.last_at or said.at)


def _handle(history: History, said: Attestation) -> None:
    """An entry that lacks what its kind needs is kept and does not count: it must not make the rest unreadable."""
    try:
        _HANDLERS[said.kind](history, said)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        said.flaw = said.flaw or f"malformed: {type(error).__name__} {error}"
        if not any(known is said for known in history.flawed):
            history.flawed.append(said)


def _judge_signer(history: History, said: Attestation) -> None:
    person = history.policy.people.get(said.actor)
    if person is None:
        said.flaw = f"{said.actor} is not in the policy"
    elif said.key not in person.keys:
        said.flaw = f"signed with a key that is not {said.actor}'s"
    elif said.fields.get("ledger") != history.ledger:
        said.flaw = "made for another ledger"
    elif said.fields.get("nonce", "") in history.nonces:
        said.flaw = "a copy of an earlier entry"
    elif not _follows(history, said.fields.get("after")):
        said.flaw = "made after an entry that this ledger does not hold"


def _follows(history: History, after: Any) -> bool:
    """The chain is not signed, but this is: nobody can take an entry out and link the later ones anew."""
    match after:
        case {"seq": int(seq), "hash": str(digest)}:
            return digest == f"sha256:{history.hashes.get(seq)}"
        case _:
            return False


def _open(history: History, said: Attestation) -> None:
    if history.head != EMPTY:
        raise ValueError(f"entry {said.seq} opens a ledger that is open already")
    history.ledger = said.fields["ledger"]
    history.project = said.fields["project"]
    _enact(history, said)


def _enact(history: History, said: Attestation) -> None:
    policy = Policy.from_document(said.fields["document"])
    history.policies.append(PolicyVersion(said.seq, len(history.policies) + 1, policy, said.actor, said.at))


def _policy(history: History, said: Attestation) -> None:
    if not said.flaw and not history.policy.has_role(said.actor, [POLICY_ADMIN]):
        said.flaw = f"{said.actor} is no {POLICY_ADMIN}"
    if not said.flaw and history.policy.admins > 1:
        said.flaw = f"one signature, where the policy asks for {history.policy.admins}"
    if not said.flaw and said.fields["base"] != history.policy.digest:
        said.flaw = "proposed on a policy that is no longer in force"
    if said.flaw:
        history.flawed.append(said)
    else:
        _enact(history, said)


def _created(history: History, said: Attestation) -> None:
    _record(history, said).created.append(said)


def _self_reviewed(history: History, said: Attestation) -> None:
    _record(history, said).self_reviews.append(said)


def _reviewed(history: History, said: Attestation) -> None:
    roles = history.policy.review_roles
    if not said.flaw and not history.policy.has_role(said.actor, roles):
        said.flaw = f"{said.actor} has no role that may review ({', '.join(sorted(roles))})"
    _record(history, said).reviews.append(said)


def _approved(history: History, said: Attestation) -> None:
    role = said.fields["role"]
    if not said.flaw and not history.policy.has_role(said.actor, [role]):
        said.flaw = f"{said.actor} has not the role {role}"
    _record(history, said).approvals.append(said)


def _withdrawn(history: History, said: Attestation) -> None:
    record = history.revisions.get(said.revision)
    if not said.flaw and (record is None or said.actor not in contributors(record)):
        said.flaw = f"{said.actor} contributed nothing to it, and so can't withdraw it"
    _record(history, said).withdrawals.append(said)


def _revoked(history: History, said: Attestation) -> None:
    """By position: what the attestation allowed before stays as it is; from here on it does not count."""
    record = history.revisions.get(said.revision)
    meant = record.attestation(said.fields["of"]) if record else None
    if not said.flaw and (meant is None or meant.actor != said.actor):
        said.flaw = "only the signer of an attestation takes it back"
    _record(history, said)
    if not said.flaw and meant is not None and not meant.flaw:
        meant.flaw = f"taken back by {said.actor} (entry {said.seq})"


def _waived(history: History, said: Attestation) -> None:
    if not said.flaw and not history.policy.has_role(said.actor, history.policy.approvals):
        said.flaw = f"{said.actor} has no approver's role"
    _record(history, said).waivers.append(said)


def _record(history: History, said: Attestation) -> RevisionRecord:
    record = history.revisions.setdefault(said.revision, RevisionRecord(said.revision))
    record.seqs.append(said.seq)
    if said.flaw:
        history.flawed.append(said)
    return record


def _intended(history: History, said: Attestation) -> None:
    environment = _environment(history, said)
    rules = history.policy.environments.get(environment.name)
    if not said.flaw and rules is None:
        said.flaw = f"the policy has no environment {environment.name}"
    if not said.flaw and rules and rules.apply_roles and not history.policy.has_role(said.actor, rules.apply_roles):
        said.flaw = f"{said.actor} may not apply to {environment.name}"
    said.flaw = said.flaw or _misses(environment, said, rules)
    if not said.flaw and environment.target(said.fields["target"]).attempt:
        said.flaw = "an attempt is open on this target already"
    if said.flaw:
        history.flawed.append(said)
        return
    target = environment.target(said.fields["target"])
    target.attempt = _attempt(said, target.applications.get(said.revision))
    target.version_table = said.fields.get("version_table", target.version_table)
    if target.heads is None:
        target.heads = tuple(said.fields["from_heads"])
    _record(history, said)


def _misses(environment: EnvironmentRecord, said: Attestation, rules: EnvironmentRules | None) -> str:
    """Why an entry can't speak of its target: a second database under one name comes in by `target.replaced` alone."""
    known = environment.targets
    if not known or said.fields["target"] in known or (rules and rules.personal):
        return ""
    return f"speaks of another database than the one known as {environment.name}"


def _attempt(said: Attestation, before: Application | None) -> Attempt:
    fields = said.fields
    return Attempt(
        id=fields["attempt"],
        seq=said.seq,
        revision=said.revision,
        direction=fields["direction"],
        manifest=said.manifest,
        behaviour=fields.get("behaviour", ""),
        from_heads=tuple(fields["from_heads"]),
        by=said.actor,
        at=said.at,
        operator=fields.get("operator", {}),
        before=before,
        place=fields,
    )


def _outcome(history: History, said: Attestation) -> None:
    environment = _environment(history, said)
    target = environment.targets.get(said.fields["target"])
    attempt = target.attempt if target else None
    if not said.flaw and (attempt is None or attempt.id != said.fields["attempt"]):
        said.flaw = "an outcome without an open attempt of that number"
    if said.flaw or target is None or attempt is None:
        history.flawed.append(said)
        return
    _record(history, said)
    state = _OUTCOMES.get(Kind(said.kind)) or Applied(said.fields["outcome"])
    if state is Applied.PARTIAL:
        # A partial change stays an open attempt: nothing else may run before somebody settles it.
        target.put(_application(said, attempt, state))
        return
    if attempt.direction == "downgrade" and state is Applied.APPLIED:
        state = Applied.ROLLED_BACK
        target.rolled_back[attempt.revision] = said.seq
    target.attempt = None
    target.heads = tuple(said.fields["heads"])
    if state is Applied.FAILED and attempt.before and attempt.before.stands:
        target.put(attempt.before)  # it failed and left no trace: what stood, stands
    else:
        target.put(_application(said, attempt, state))


def _application(said: Attestation, attempt: Attempt, state: Applied) -> Application:
    return Application(
        attempt.revision,
        state,
        said.at,
        attempt.by,
        said.seq,
        attempt.manifest,
        attempt.behaviour,
        attempt.id,
        attempt.seq,
        attempt.place,
    )


def _refused(history: History, said: Attestation) -> None:
    if said.flaw:
        history.flawed.append(said)
    elif said.revision:
        _record(history, said)


def _adopted(history: History, said: Attestation) -> None:
    environment = _environment(history, said)
    if not said.flaw:
        said.flaw = _may_adopt(history, environment, said)
    if said.flaw:
        history.flawed.append(said)
        return
    target = environment.target(said.fields["target"])
    target.heads = tuple(said.fields["heads"])
    target.version_table = said.fields.get("version_table", target.version_table)
    target.adopted_at = said.seq
    for revision in said.fields.get("gone", ()):
        target.applications.pop(revision, None)
    for item in said.fields["revisions"]:
        _adopt_one(history, environment, target, said, item)


def _adopt_one(
    history: History, environment: EnvironmentRecord, target: TargetRecord, said: Attestation, item: Mapping[str, Any]
) -> None:
    revision, state = item["revision"], Applied(item["state"])
    behaviour = item.get("behaviour", "")
    target.put(
        Application(
            revision, state, said.at, said.actor, said.seq, item["manifest"], behaviour, stored=said.seq, place=item
        )
    )
    record = history.revisions.setdefault(revision, RevisionRecord(revision))
    record.seqs.append(said.seq)
    if state is Applied.GRANDFATHERED:
        record.adopted[environment.name] = item["manifest"]


def _may_adopt(history: History, environment: EnvironmentRecord, said: Attestation) -> str:
    rules = history.policy.environments.get(environment.name)
    if rules is None:
        return f"the policy has no environment {environment.name}"
    if rules.requires is Level.APPROVED and not history.policy.has_role(said.actor, [POLICY_ADMIN]):
        return f"adopting {environment.name} needs a {POLICY_ADMIN}"
    known = environment.targets.get(said.fields["target"])
    state = Applied.GRANDFATHERED if known is None or known.heads is None else Applied.OUT_OF_BAND
    if any(item["state"] != state for item in said.fields["revisions"]):
        return f"what this adoption finds is {state}, and nothing else"
    return _misses(environment, said, rules)


def _replaced(history: History, said: Attestation) -> None:
    environment = _environment(history, said)
    rules = history.policy.environments.get(environment.name)
    if not said.flaw and not (rules and rules.personal) and not history.policy.has_role(said.actor, [POLICY_ADMIN]):
        said.flaw = f"replacing {environment.name}'s target needs a {POLICY_ADMIN}"
    if said.flaw:
        history.flawed.append(said)
        return
    environment.retire_all()
    environment.target(said.fields["target"])


def _environment(history: History, said: Attestation) -> EnvironmentRecord:
    name = said.fields["environment"]
    return history.environments.setdefault(name, EnvironmentRecord(name))


_OUTCOMES = {
    Kind.APPLY_APPLIED: Applied.APPLIED,
    Kind.APPLY_FAILED: Applied.FAILED,
    Kind.APPLY_PARTIAL: Applied.PARTIAL,
}
_HANDLERS: dict[Any, Callable[[History, Attestation], None]] = {
    Kind.LEDGER_OPENED: _open,
    Kind.POLICY_PROPOSED: _policy,
    Kind.MIGRATION_CREATED: _created,
    Kind.SELF_REVIEWED: _self_reviewed,
    Kind.REVIEWED: _reviewed,
    Kind.APPROVED: _approved,
    Kind.WITHDRAWN: _withdrawn,
    Kind.REVOKED: _revoked,
    Kind.GATE_WAIVED: _waived,
    Kind.APPLY_INTENDED: _intended,
    Kind.APPLY_APPLIED: _outcome,
    Kind.APPLY_FAILED: _outcome,
    Kind.APPLY_PARTIAL: _outcome,
    Kind.APPLY_RECOVERED: _outcome,
    Kind.APPLY_REFUSED: _refused,
    Kind.TARGET_ADOPTED: _adopted,
    Kind.TARGET_REPLACED: _replaced,
}
