"""The policy in force, what the file would change, and the signatures that bring a change into force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from migrate_flow.core.entry import Draft, Kind, Subject
from migrate_flow.core.policy import POLICY_ADMIN, RECOVERY, Policy, shortages
from migrate_flow.core.policy_entries import changes_hands
from migrate_flow.errors import Refused, UsageError
from migrate_flow.services.review import ask

if TYPE_CHECKING:
    from migrate_flow.core.history import History, PolicyVersion, Proposal
    from migrate_flow.services.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Change:
    """path: dotted, as in the configuration. before, after: None where the key is absent."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Waiting:
    """A proposed policy that needs more signatures. missing: how many. who: those who could give one."""

    seq: int
    by: tuple[str, ...]
    changes: tuple[Change, ...]
    missing: int
    who: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PolicyReport:
    """version: in force. changes: what the file would change, or what was changed. shortages: what nobody can meet
    yet. recorded: the entry that was made, 0 for none. waiting: policies that need more signatures. revoked: keys."""

    version: PolicyVersion
    changes: tuple[Change, ...]
    shortages: tuple[str, ...]
    recorded: int = 0
    waiting: tuple[Waiting, ...] = ()
    revoked: tuple[str, ...] = ()


def show(workspace: Workspace) -> PolicyReport:
    version = workspace.history.policies[-1]
    changes = compare(version.policy.document, workspace.config.policy.document)
    history = workspace.history
    return PolicyReport(
        version, changes, tuple(shortages(version.policy)), waiting=waiting(history), revoked=tuple(history.revoked)
    )


def waiting(history: History) -> tuple[Waiting, ...]:
    """The proposals that could still come into force, oldest first."""
    return tuple(_waiting(history, proposal) for proposal in history.pending())


def record(workspace: Workspace) -> PolicyReport:
    """Sign the file's policy into the ledger: in force at once, or proposed where the policy asks for more signatures.

    Raises Refused (no admin, unsatisfiable), IdentityError.
    """
    history, current, proposed = workspace.history, workspace.policy, workspace.config.policy
    changes = compare(current.document, proposed.document)
    if not changes:
        return show(workspace)
    require_recordable(workspace, proposed)
    for proposal in history.pending():
        if proposal.policy.digest == proposed.digest:
            return endorse(workspace, proposal.seq)
    fields = {"base": current.digest, "number": len(history.policies) + 1, "document": proposed.document}

    def recheck(history: History) -> None:
        if history.policy.digest != current.digest:
            raise Refused("the policy changed meanwhile", hint="migrate-flow policy diff")

    entry = workspace.book.append(Draft(Kind.POLICY_PROPOSED, [_subject(proposed)], fields), recheck)
    return _report(workspace, changes, entry.seq)


def require_recordable(workspace: Workspace, proposed: Policy) -> None:
    """For a policy that is not in the file yet: raises what `record` would raise. Nothing to record is fine."""
    if compare(workspace.policy.document, proposed.document):
        signer = workspace.book.ready(Kind.POLICY_PROPOSED)
        _require_governor(workspace, signer.person, "policy record")
        _require_sane(workspace.history, proposed)


def endorse(workspace: Workspace, seq: int = 0) -> PolicyReport:
    """One more signature under a proposed policy. seq: its entry; 0 for the only one that waits.

    Raises Refused (no admin, signed already), UsageError (none waits, or several).
    """
    history, current = workspace.history, workspace.policy
    found = {proposal.seq: proposal for proposal in history.pending()}
    if not found:
        raise UsageError("no policy waits for signatures", hint="migrate-flow policy diff, then policy record")
    if not seq and len(found) > 1:
        names = ", ".join(map(str, found))
        raise UsageError("several policies wait for signatures", hint=f"name one of them: {names}", where="SEQ")
    proposal = found.get(seq or next(iter(found)))
    if proposal is None:
        names = ", ".join(map(str, found))
        raise UsageError(f"entry {seq} is no policy that waits for signatures", hint=f"these do: {names}", where="SEQ")
    signer = workspace.signer()
    _require_governor(workspace, signer.person, f"policy endorse {proposal.seq}")
    _require_sane(history, proposal.policy)
    if signer.person in proposal.keys:
        who = _waiting(history, proposal).who
        raise Refused(f"{signer.person} signed it already", hint=ask(who, f"policy endorse {proposal.seq}"))
    changes = compare(current.document, proposal.policy.document)

    def recheck(history: History) -> None:
        if proposal.seq not in history.proposals:
            raise Refused("the policy changed meanwhile", hint="migrate-flow policy show")

    fields = {"of": proposal.seq, "base": proposal.base}
    entry = workspace.book.append(Draft(Kind.POLICY_ENDORSED, [_subject(proposal.policy)], fields), recheck)
    return _report(workspace, changes, entry.seq)


def another_admin(workspace: Workspace) -> str:
    """The command that makes somebody an admin who is none: of those who have a key, if there are any."""
    policy = workspace.policy
    able = [name for name in policy.people if workspace.has_key(name) and not policy.may_govern(name)]
    if able:
        return f"migrate-flow people role {able[0]} --add {POLICY_ADMIN} --record"
    return f"migrate-flow people add EMAIL --role {POLICY_ADMIN} --key 'KEY' --record"


def _subject(policy: Policy) -> Subject:
    return Subject("policy", policy.digest.removeprefix("sha256:"))


def _report(workspace: Workspace, changes: tuple[Change, ...], seq: int) -> PolicyReport:
    history = workspace.history
    return PolicyReport(history.policies[-1], changes, tuple(shortages(history.policy)), seq, waiting(history))


def _waiting(history: History, proposal: Proposal) -> Waiting:
    signed = [person for person, key in proposal.keys.items() if key not in history.revoked]
    who = tuple(name for name in history.policy.governors(history.revoked) if name not in proposal.keys)
    changes = compare(history.policy.document, proposal.policy.document)
    return Waiting(proposal.seq, tuple(proposal.keys), changes, max(0, history.policy.admins - len(signed)), who)


def _require_governor(workspace: Workspace, person: str, command: str) -> None:
    if not workspace.policy.may_govern(person):
        raise Refused(
            f"{person} may not change the policy: the role {POLICY_ADMIN} is needed",
            hint=ask(workspace.policy.governors(workspace.history.revoked), command),
        )


def _require_sane(history: History, proposed: Policy) -> None:
    """Nobody may lock everybody out, also not by mistake; and no key becomes another person's."""
    if moved := changes_hands(history, proposed):
        raise Refused(moved, hint="migrate-flow keys new EMAIL, then people add EMAIL --key 'KEY'", where="[people]")
    admins = [name for name in proposed.governors(history.revoked) if name != RECOVERY]
    if len(admins) < proposed.admins:
        raise Refused(
            f"nobody could change the policy again: {len(admins)} × {POLICY_ADMIN} with a key that is not revoked, "
            f"{proposed.admins} asked for",
            hint=f'give somebody with a key the role "{POLICY_ADMIN}"',
            where="[people]",
        )
    if not shortages(history.policy) and (missing := shortages(proposed)):
        raise Refused(
            f"no migration could reach production any more: {missing[0]}",
            hint="lower the threshold, or add people first",
            where="[policy]",
        )


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """Key by key, in the configuration's own paths."""
    old, new = dict(_flat(before)), dict(_flat(after))
    paths = sorted(old.keys() | new.keys())
    return tuple(Change(path, old.get(path), new.get(path)) for path in paths if old.get(path) != new.get(path))


def _flat(value: Any, path: str = "") -> list[tuple[str, Any]]:
    if path == "environments":
        value = {item["name"]: {key: v for key, v in item.items() if key != "name"} for item in value}
    if isinstance(value, Mapping) and value:
        return [pair for key, item in value.items() for pair in _flat(item, f"{path}.{key}" if path else key)]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [(path, list(value))]
    return [(path, value)]
