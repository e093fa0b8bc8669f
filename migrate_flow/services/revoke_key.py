"""Takes a key out of use: nothing that it signs from here on counts."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate_flow.core.canonical import sha256
from migrate_flow.core.entry import Draft, Kind, Subject
from migrate_flow.core.fingerprint import fingerprint
from migrate_flow.core.policy import POLICY_ADMIN, RECOVERY, Policy
from migrate_flow.errors import Refused, UsageError
from migrate_flow.services.policy import another_admin
from migrate_flow.services.review import ask, require_comment

if TYPE_CHECKING:
    from migrate_flow.core.history import Attestation
    from migrate_flow.services.workspace import Workspace


@dataclass(frozen=True, slots=True)
class KeyRevoked:
    """undone: what it signed since the position that was named, and counts no more. look_at: entries by this key since
    then that nobody can take back: policies, applications. keeps: whether the person has another key."""

    person: str
    fingerprint: str
    seq: int
    since: int
    undone: tuple[Attestation, ...]
    look_at: tuple[int, ...]
    keeps: bool


def revoke_key(
    workspace: Workspace, named: str, why: str, since: int = 0, room: Callable[[str], str] = lambda _person: ""
) -> KeyRevoked:
    """By the holder, an admin or the recovery key. named: its fingerprint. since: a position; what the key signed from
    there on counts no more. room: a store of this machine where another key of a person can be made, empty for none.

    Raises Refused (somebody else's key, the last admin's), UsageError (no such key, a position that is not there).
    """
    require_comment(why, needed=True)
    history, policy = workspace.history, workspace.policy
    key, owner = _owned(workspace, named)
    known = history.revoked.get(key)
    if known and (not since or (known.since and known.since <= since)):
        raise Refused(f"entry {known.seq} revoked that key already", hint="migrate-flow keys list")
    if since > history.head.seq:
        hint = "migrate-flow log shows the positions"
        raise UsageError(f"there is no entry {since} yet, the newest is {history.head.seq}", hint=hint, where="--since")
    signer = workspace.signer()
    command = f"keys revoke {fingerprint(key)} -m WHY"
    if signer.person != owner and not policy.may_govern(signer.person):
        raise Refused(
            f"that key is {owner}'s: only they or a {POLICY_ADMIN} may revoke it",
            hint=ask(policy.governors(history.revoked), command),
        )
    able, left = (_admins(policy, revoked) for revoked in (history.revoked, {*history.revoked, key}))
    if len(left) < min(policy.admins, len(able)):
        raise Refused(
            f"nobody could change the policy again: {policy.admins} × {POLICY_ADMIN} with a key are asked for",
            hint=_first(workspace, owner, room(owner) if signer.person == owner else ""),
            where="[policy] admins",
        )
    whose = {"public_key": key, "fingerprint": fingerprint(key), "person": owner}
    fields = {**whose, "comment": why, "since": since or None}
    subject = Subject("key", sha256(key.encode()).removeprefix("sha256:"))
    before = {said.seq for said in history.attestations() if not said.flaw}
    entry = workspace.book.append(Draft(Kind.KEY_REVOKED, [subject], fields))
    undone = tuple(said for said in history.attestations() if said.seq in before and said.flaw)
    return KeyRevoked(
        owner,
        fingerprint(key),
        entry.seq,
        since,
        undone,
        _irrevocable(workspace, key, since, entry.seq) if since else (),
        bool(set(policy.keys_of(owner)) - set(history.revoked)),
    )


def _admins(policy: Policy, revoked: Collection[str]) -> list[str]:
    return [name for name in policy.governors(revoked) if name != RECOVERY]


def _first(workspace: Workspace, owner: str, store: str) -> str:
    """What has to be done before this key can go. store: where its owner, who asks, can make another one."""
    another_key = f"migrate-flow people add {owner} --new-key --store {store} --record"
    return f"{another_key if store else another_admin(workspace)}, then run this again"


def _owned(workspace: Workspace, named: str) -> tuple[str, str]:
    """The public key that was named by fingerprint or as it stands in the policy, and whose it is or was."""
    owners = {key: owner for version in workspace.history.policies for key, owner in version.policy.owners.items()}
    for key, owner in owners.items():
        if named in (fingerprint(key), key):
            return key, owner
    names = ", ".join(f"{fingerprint(key)} ({owner})" for key, owner in workspace.policy.owners.items())
    raise UsageError("no key of the policy has this fingerprint", hint=f"one of: {names}", where="FINGERPRINT")


def _irrevocable(workspace: Workspace, key: str, since: int, before: int) -> tuple[int, ...]:
    """Positions of policies, applications and the like that this key signed."""
    found = []
    for entry in workspace.book.ledger.entries(since - 1):
        acts = entry.kind.startswith(("policy.", "apply.", "target.", "key."))
        if entry.seq < before and acts and workspace.verifier.key_of(entry.signature) == key:
            found.append(entry.seq)
    return tuple(found)
