"""The part of the fold that is about who may say what: policies, their endorsements, keys that are revoked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from migrate_flow.core.entry import Kind
from migrate_flow.core.history import Attestation, History, PolicyVersion, Proposal, Revocation
from migrate_flow.core.policy import POLICY_ADMIN, Policy, unsound

# What a recovery key may sign.
GOVERNING = frozenset({Kind.POLICY_PROPOSED, Kind.POLICY_ENDORSED, Kind.KEY_REVOKED})


def enact(history: History, proposal: Proposal, seq: int) -> None:
    """Put a policy in force; proposals for the one before it are void."""
    number = len(history.policies) + 1
    by = ", ".join(proposal.keys)
    history.policies.append(PolicyVersion(seq, number, proposal.policy, by, proposal.at))
    history.proposals.clear()
    for name, person in proposal.policy.people.items():
        for address in (name, *person.aliases):
            history.claims.setdefault(address.casefold(), set()).add(name)


def changes_hands(history: History, policy: Policy) -> str:
    """Identity is the key: who had one under another name would be two people. Empty if no key changes its owner."""
    for version in history.policies:
        for key, owner in version.policy.owners.items():
            if policy.owners.get(key, owner) != owner:
                return f"a key of {owner} can't become {policy.owners[key]}'s: each person makes one of their own"
    return ""


def _proposed(history: History, said: Attestation) -> None:
    history.charter.append(said.seq)
    policy = Policy.from_document(said.fields["document"])
    said.flaw = said.flaw or _no_governor(history, said) or unsound(policy) or changes_hands(history, policy)
    if not said.flaw and said.fields["base"] != history.policy.digest:
        said.flaw = "proposed on a policy that is no longer in force"
    if not said.flaw and [subject.sha256 for subject in said.subjects] != [policy.digest.removeprefix("sha256:")]:
        said.flaw = "it speaks of another policy than it holds"
    if said.flaw:
        history.flawed.append(said)
        return
    proposal = Proposal(said.seq, policy, said.fields["base"], said.actor, said.at, {said.actor: said.key})
    history.proposals[said.seq] = proposal
    _count(history, proposal, said)


def _endorsed(history: History, said: Attestation) -> None:
    history.charter.append(said.seq)
    said.flaw = said.flaw or _no_governor(history, said)
    proposal = history.proposals.get(said.fields["of"])
    if not said.flaw and proposal is None:
        said.flaw = f"entry {said.fields['of']} proposes no policy that waits for signatures"
    if proposal is not None and not said.flaw:
        if said.actor in proposal.keys:
            said.flaw = f"{said.actor} signed it already"
        elif [subject.sha256 for subject in said.subjects] != [proposal.policy.digest.removeprefix("sha256:")]:
            said.flaw = "it endorses another policy than was proposed"
    if said.flaw or proposal is None:
        history.flawed.append(said)
        return
    proposal.keys[said.actor] = said.key
    _count(history, proposal, said)


def _count(history: History, proposal: Proposal, said: Attestation) -> None:
    """Enact it with enough signatures, by the rule of the policy before it; a key revoked meanwhile signs nothing."""
    signers = [person for person, key in proposal.keys.items() if key not in history.revoked]
    if len(signers) >= history.policy.admins:
        proposal.at = said.at
        enact(history, proposal, said.seq)


def _no_governor(history: History, said: Attestation) -> str:
    return "" if history.policy.may_govern(said.actor) else f"{said.actor} is no {POLICY_ADMIN}"


def _revoked(history: History, said: Attestation) -> None:
    """By position: nothing that the key signs from here on counts; with since, nothing that it signed from there on."""
    history.charter.append(said.seq)
    key, since = said.fields["public_key"], said.fields.get("since", 0)
    owner = history.policy.owners.get(key)
    if not said.flaw and owner != said.actor and not history.policy.may_govern(said.actor):
        said.flaw = f"{said.actor} neither holds that key nor is a {POLICY_ADMIN}"
    if not said.flaw and not 0 <= since <= said.seq:
        said.flaw = f"it speaks of entry {since}, which is not there yet"
    if said.flaw:
        history.flawed.append(said)
        return
    history.revoked[key] = Revocation(said.seq, key, said.actor, since, said.fields.get("comment", ""))
    if since:
        for record in history.revisions.values():
            for by, meant in record.taken_back:
                if by.key == key and by.seq >= since:
                    meant.restore()
        for item in history.attestations():
            if item.key == key and item.seq >= since:
                item.undo(f"signed with a key that entry {said.seq} revokes from entry {since} on")


HANDLERS: dict[Any, Callable[[History, Attestation], None]] = {
    Kind.POLICY_PROPOSED: _proposed,
    Kind.POLICY_ENDORSED: _endorsed,
    Kind.KEY_REVOKED: _revoked,
}
