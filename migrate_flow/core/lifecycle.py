"""The fold: entries in, history out. State is never stored; this is the only place that derives it.

An entry that its signer had no right to make is kept, with its flaw, and does not count. Authority is judged by
the policy in force at the entry's own position, never by a clock and never by a later policy.
Signatures are not verified here (`ledger verify` and the gate `signatures-valid` do that); the key that a
signature names is read with `key_of` and must belong to the actor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from migrate_flow.core import target_entries
from migrate_flow.core.chain import EMPTY
from migrate_flow.core.entry import Entry, Kind, Subject, parse_time
from migrate_flow.core.history import Attestation, History, PolicyVersion
from migrate_flow.core.policy import POLICY_ADMIN, Policy, below_the_floor
from migrate_flow.core.standing import contributors
from migrate_flow.core.target_entries import record_of

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
    if not said.flaw:  # nobody's clock but those of the policy's people moves the ledger's
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
    proposed = Policy.from_document(said.fields["document"])
    if not said.flaw and (below := below_the_floor(proposed)):
        said.flaw = below
    if not said.flaw and history.policy.admins > 1:
        said.flaw = f"one signature, where the policy asks for {history.policy.admins}"
    if not said.flaw and said.fields["base"] != history.policy.digest:
        said.flaw = "proposed on a policy that is no longer in force"
    if said.flaw:
        history.flawed.append(said)
    else:
        _enact(history, said)


def _created(history: History, said: Attestation) -> None:
    record_of(history, said).created.append(said)


def _self_reviewed(history: History, said: Attestation) -> None:
    record_of(history, said).self_reviews.append(said)


def _reviewed(history: History, said: Attestation) -> None:
    roles = history.policy.review_roles
    if not said.flaw and said.fields["verdict"] not in ("approve", "request-changes"):
        said.flaw = "a review approves or requests changes, and nothing else"
    if not said.flaw and not history.policy.has_role(said.actor, roles):
        said.flaw = f"{said.actor} has no role that may review ({', '.join(sorted(roles))})"
    record_of(history, said).reviews.append(said)


def _approved(history: History, said: Attestation) -> None:
    role = said.fields["role"]
    if not said.flaw and not history.policy.has_role(said.actor, [role]):
        said.flaw = f"{said.actor} has not the role {role}"
    record_of(history, said).approvals.append(said)


def _withdrawn(history: History, said: Attestation) -> None:
    record = history.revisions.get(said.revision)
    if not said.flaw and (record is None or said.actor not in contributors(record)):
        said.flaw = f"{said.actor} contributed nothing to it, and so can't withdraw it"
    record_of(history, said).withdrawals.append(said)


def _revoked(history: History, said: Attestation) -> None:
    """By position: what the attestation allowed before stays as it is; from here on it does not count."""
    record = history.revisions.get(said.revision)
    meant = record.attestation(said.fields["of"]) if record else None
    if not said.flaw and (meant is None or meant.actor != said.actor):
        said.flaw = "only the signer of an attestation takes it back"
    record_of(history, said)
    if not said.flaw and meant is not None and not meant.flaw:
        meant.flaw = f"taken back by {said.actor} (entry {said.seq})"


def _waived(history: History, said: Attestation) -> None:
    if not said.flaw and not history.policy.has_role(said.actor, history.policy.approvals):
        said.flaw = f"{said.actor} has no approver's role"
    record_of(history, said).waivers.append(said)


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
    **target_entries.HANDLERS,
}
