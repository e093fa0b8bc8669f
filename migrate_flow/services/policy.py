"""The policy in force, what the file would change, and the signed record of a change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from migrate_flow.core.entry import Draft, Kind, Subject
from migrate_flow.core.history import History, PolicyVersion
from migrate_flow.core.policy import POLICY_ADMIN, Policy, shortages
from migrate_flow.errors import Refused, UsageError
from migrate_flow.services.review import ask
from migrate_flow.services.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Change:
    """path: dotted, as in the configuration. before, after: None where the key is absent."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class PolicyReport:
    """version: in force. changes: what the file would change. shortages: what nobody can meet yet."""

    version: PolicyVersion
    changes: tuple[Change, ...]
    shortages: tuple[str, ...]
    recorded: int = 0


def show(workspace: Workspace) -> PolicyReport:
    version = workspace.history.policies[-1]
    changes = compare(version.policy.document, workspace.config.policy.document)
    return PolicyReport(version, changes, tuple(shortages(version.policy)))


def record(workspace: Workspace) -> PolicyReport:
    """Sign the file's policy into the ledger. Raises Refused (no admin, unsatisfiable), UsageError."""
    current, proposed = workspace.policy, workspace.config.policy
    changes = compare(current.document, proposed.document)
    if not changes:
        return show(workspace)
    signer = workspace.signer()
    _require_admin(workspace, signer.person)
    _require_sane(current, proposed)
    number = len(workspace.history.policies) + 1
    fields = {"base": current.digest, "number": number, "document": proposed.document}
    subject = Subject("policy", proposed.digest.removeprefix("sha256:"))

    def recheck(history: History) -> None:
        if history.policy.digest != current.digest:
            raise Refused("the policy changed meanwhile", hint="migrate-flow policy diff")

    entry = workspace.book.append(Draft(Kind.POLICY_PROPOSED, [subject], fields), recheck)
    return PolicyReport(workspace.history.policies[-1], changes, tuple(shortages(proposed)), entry.seq)


def _require_admin(workspace: Workspace, person: str) -> None:
    if not workspace.policy.has_role(person, [POLICY_ADMIN]):
        raise Refused(
            f"{person} may not change the policy: the role {POLICY_ADMIN} is needed",
            hint=ask(workspace.policy.holders([POLICY_ADMIN]), "policy record"),
        )
    if workspace.policy.admins > 1:
        raise UsageError(
            f"the policy in force asks for {workspace.policy.admins} signatures, this version can give one",
            hint="a later version of migrate-flow endorses policies with several signatures",
            where="[policy] admins",
        )


def _require_sane(current: Policy, proposed: Policy) -> None:
    if proposed.admins > 1:
        raise UsageError(
            "policy.admins above 1 is not supported by this version", hint="admins = 1", where="[policy] admins"
        )
    admins = [name for name in proposed.holders([POLICY_ADMIN]) if proposed.people[name].keys]
    if len(admins) < proposed.admins:
        raise Refused(
            f"nobody could change the policy again: {len(admins)} {POLICY_ADMIN} with a key, {proposed.admins} asked",
            hint=f'give somebody with a key the role "{POLICY_ADMIN}"',
            where="[people]",
        )
    if not shortages(current) and (missing := shortages(proposed)):
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
