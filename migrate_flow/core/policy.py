"""The policy: who may say what, and what each environment asks for.

The ledger's copy is in force; the file is a proposal. A policy is its *document* (plain JSON values) and the
document's digest. Version 1 writes each of its keys always; a key that a later version adds is written only
where it is set, so that an unchanged file keeps its digest over an upgrade.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from migrate_flow.core import canonical
from migrate_flow.core.schedule import Window, parse_duration, parse_window

if TYPE_CHECKING:
    from migrate_flow.core.traits import Traits

POLICY_ADMIN = "policy-admin"
_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,253}")
RECOVERY = "recovery"  # whoever holds an offline key: signs policies and revocations, and nothing else


class Level(StrEnum):
    """What an environment requires, least first."""

    CREATED = "created"
    SELF_REVIEWED = "self-reviewed"
    PEER_REVIEWED = "peer-reviewed"
    APPROVED = "approved"

    @property
    def rank(self) -> int:
        return _RANKS[self]


_RANKS = {level: rank for rank, level in enumerate(Level)}


@dataclass(frozen=True, slots=True)
class Principal:
    """A person, or a bot, with roles and public keys (``ssh-ed25519 AAAA…`` without comment)."""

    name: str
    roles: frozenset[str]
    keys: tuple[str, ...]
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EnvironmentRules:
    """The gate keys of one environment."""

    name: str
    dialect: str
    requires: Level
    upstream: tuple[str, ...] = ()
    apply_roles: tuple[str, ...] = ()
    confirm: bool = False
    soak: timedelta | None = None
    windows: tuple[Window, ...] = ()
    personal: bool = False


@dataclass(frozen=True, slots=True)
class Escalation:
    """Riskier migrations need more: for these risks, at least these approvals by role."""

    when: tuple[str, ...]
    approvals: Mapping[str, int]


@dataclass(frozen=True)
class Policy:
    """A parsed policy document. environments: in the file's order."""

    document: Mapping[str, Any]
    digest: str
    people: Mapping[str, Principal]
    environments: Mapping[str, EnvironmentRules]
    separation: str
    peer_reviews: int
    approvals: Mapping[str, int]
    approval_expires: timedelta | None
    escalations: tuple[Escalation, ...]
    review_roles: frozenset[str]
    admins: int
    recovery_keys: tuple[str, ...]
    owners: Mapping[str, str] = field(repr=False)  # public key -> person

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> Policy:
        """Raises ValueError or KeyError if the document is not a version 1 policy."""
        if document.get("v") != 1:
            raise ValueError(f"policy version {document.get('v')!r} is not known to this version of migrate-flow")
        people = {name: _principal(name, value) for name, value in document["people"].items()}
        rules = document["policy"]
        expires, recovery = rules["approval_expires"], tuple(rules.get("recovery_keys", ()))
        return Policy(
            document=document,
            digest=canonical.digest(document),
            people=people,
            environments={value["name"]: _environment(value) for value in document["environments"]},
            separation=rules["separation"],
            peer_reviews=rules["peer_reviews"],
            approvals=rules["approvals"],
            approval_expires=parse_duration(expires) if expires else None,
            escalations=tuple(Escalation(tuple(e["when"]), e["approvals"]) for e in rules["escalations"]),
            review_roles=frozenset(rules["review_roles"]),
            admins=rules["admins"],
            recovery_keys=recovery,
            owners={key: person.name for person in people.values() for key in person.keys}
            | dict.fromkeys(recovery, RECOVERY),
        )

    def keys_of(self, person: str) -> tuple[str, ...]:
        """Public keys that sign for a person; none for a stranger."""
        if person == RECOVERY:
            return self.recovery_keys
        principal = self.people.get(person)
        return principal.keys if principal else ()

    def may_govern(self, person: str) -> bool:
        """Whether somebody's signature counts under a change of the policy, and revokes keys of others."""
        return self.has_role(person, [POLICY_ADMIN]) or (person == RECOVERY and bool(self.recovery_keys))

    def governors(self, revoked: Collection[str] = ()) -> tuple[str, ...]:
        """Who could sign a change of the policy: those with a key that is not revoked."""
        names = (*self.holders([POLICY_ADMIN]), *([RECOVERY] if self.recovery_keys else []))
        return tuple(name for name in names if set(self.keys_of(name)) - set(revoked))

    def holders(self, roles: Iterable[str]) -> tuple[str, ...]:
        """People who hold at least one of the roles, sorted."""
        wanted = set(roles)
        return tuple(sorted(name for name, person in self.people.items() if person.roles & wanted))

    def has_role(self, person: str, roles: Iterable[str]) -> bool:
        principal = self.people.get(person)
        return principal is not None and not principal.roles.isdisjoint(roles)

    def risks(self, traits: Traits) -> tuple[str, ...]:
        """The script's own risks, and each ``table:GLOB`` of an escalation that matches a table it touches."""
        globs = {when for escalation in self.escalations for when in escalation.when if when.startswith("table:")}
        hit = (glob for glob in globs if any(fnmatchcase(table, glob[6:]) for table in traits.tables))
        return (*traits.risks, *sorted(hit))

    def required_approvals(self, risks: Iterable[str]) -> dict[str, int]:
        """Approvals by role: the maximum over the base rule and every escalation that matches a risk."""
        needed = dict(self.approvals)
        found = set(risks)
        for escalation in self.escalations if found else ():
            if found & set(escalation.when):
                for role, count in escalation.approvals.items():
                    needed[role] = max(needed.get(role, 0), count)
        return needed

    def final_environments(self) -> tuple[str, ...]:
        """Environments that no other names as upstream."""
        upstream = {name for rules in self.environments.values() for name in rules.upstream}
        return tuple(name for name in self.environments if name not in upstream)


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """The file's policy beside the ledger's. recorded: the number under which the ledger knows it, 0 if never. waits:
    the entry that proposes it, where more signatures are needed; else 0."""

    digest: str
    in_force: bool
    recorded: int
    waits: int = 0

    @property
    def way_out(self) -> str:
        """The command that brings the file's policy into force."""
        if self.waits:
            return f"migrate-flow policy endorse {self.waits}"
        return "migrate-flow policy diff, then migrate-flow policy record"


def _principal(name: str, value: Mapping[str, Any]) -> Principal:
    return Principal(name, frozenset(value["roles"]), tuple(value["keys"]), tuple(value["aliases"]))


def _environment(value: Mapping[str, Any]) -> EnvironmentRules:
    return EnvironmentRules(
        name=value["name"],
        dialect=value["dialect"],
        requires=Level(value["requires"]),
        upstream=tuple(value["upstream"]),
        apply_roles=tuple(value["apply_roles"]),
        confirm=value["confirm"],
        soak=parse_duration(value["soak"]) if value["soak"] else None,
        windows=tuple(parse_window(text) for text in value["windows"]),
        personal=value["personal"],
    )


def shortages(policy: Policy) -> list[str]:
    """What nobody can meet yet, in plain sentences; empty if somebody's migration can reach `approved`.

    Under strict separation author, peer reviewers and approvers are different people.
    """
    found = [] if any(_cleared(policy, author) for author in policy.people) else _reasons(policy)
    if len(policy.holders([POLICY_ADMIN])) < policy.admins:
        found.append(f"policy changes ask for {policy.admins} × {POLICY_ADMIN}, too few hold that role")
    return found


def unsound(policy: Policy) -> str:
    """What no policy may be, whoever signs it: below the founding rule, or unclear about who is who. Empty if sound.

    The configuration refuses the same; this is for a policy that never was in a file.
    """
    keys = [key for person in policy.people.values() for key in person.keys] + list(policy.recovery_keys)
    if len(set(keys)) < len(keys):
        return "one key belongs to two people"
    if RECOVERY in policy.people:
        return f"{RECOVERY} is the name of the offline key, and no person's"
    names = list(policy.people)
    if not all(_NAME.fullmatch(name) for name in names):
        return "a name could be read as another's"
    owners = dict(zip(names, names, strict=True))
    aliases = [(alias.casefold(), person.name) for person in policy.people.values() for alias in person.aliases]
    if any(owners.setdefault(alias, name) != name for alias, name in aliases):
        return "one address belongs to two people"
    if policy.separation not in ("strict", "two-person"):
        return f"separation {policy.separation!r} is not known"
    return below_the_floor(policy)


def _reasons(policy: Policy) -> list[str]:
    """Why nobody's migration can reach `approved`."""
    found: list[str] = []
    reviewers = policy.holders(policy.review_roles)
    if len(reviewers) < policy.peer_reviews + 1:
        roles = " or ".join(sorted(policy.review_roles))
        found.append(
            f"peer review asks for {policy.peer_reviews} besides the author, "
            f"but {_hold(len(reviewers))} the role {roles}"
        )
    for role, count in policy.approvals.items():
        holders = policy.holders([role])
        if len(holders) < count:
            found.append(f"approval asks for {count} × {role}, but {_hold(len(holders))} that role")
    everybody = 1 + policy.peer_reviews + sum(policy.approvals.values())
    needed = everybody if policy.separation == "strict" else everybody - 1
    if not found and len(policy.people) < needed:
        found.append(f"separation {policy.separation!r} needs {needed} people, the policy names {len(policy.people)}")
    return found or [
        f"whoever is the author: the others can't give every peer review and approval that separation "
        f"{policy.separation!r} asks for, one person holds too many of the roles"
    ]


def _cleared(policy: Policy, author: str) -> bool:
    """Whether the others could review and approve this author's work."""
    reviews = [policy.holders(policy.review_roles)] * policy.peer_reviews
    approvals = [policy.holders([role]) for role, count in policy.approvals.items() for _ in range(count)]
    asked = [reviews + approvals] if policy.separation == "strict" else [reviews, approvals]
    return all(_distinct(posts, author) for posts in asked)


def _distinct(posts: Sequence[Sequence[str]], author: str) -> bool:
    """Whether each post gets a person of its own, out of those who may fill it (a matching, by augmenting paths)."""
    filled: dict[str, int] = {}

    def fill(post: int, passed: set[str]) -> bool:
        for person in posts[post]:
            if person != author and person not in passed:
                passed.add(person)
                if person not in filled or fill(filled[person], passed):
                    filled[person] = post
                    return True
        return False

    return all(fill(post, set()) for post in range(len(posts)))


def _hold(count: int) -> str:
    return {0: "nobody holds", 1: "one person holds"}.get(count, f"{count} people hold")


def below_the_floor(policy: Policy) -> str:
    """The founding rule, which no policy may go below; empty if it holds."""
    upstream = {name for rules in policy.environments.values() for name in rules.upstream}
    for name, rules in policy.environments.items():
        if len(policy.environments) > 1 and not (rules.upstream or name in upstream or rules.personal):
            return f"{name} has no upstream and is none: production by another name"
        if not set(rules.upstream) <= policy.environments.keys() - {name}:
            return f"{name} has an upstream that there is not"
        if rules.personal and rules.upstream:
            return f"{name} is personal, and has an upstream"
        named = name.lower() in ("staging", "production")
        if (rules.upstream or named) and rules.requires is not Level.APPROVED:
            return f"{name} asks for less than approval"
        if named and not rules.upstream:
            return f"{name} has no upstream"
    if policy.peer_reviews < 1 or policy.admins < 1 or not policy.approvals or min(policy.approvals.values()) < 1:
        return "a threshold is below 1"
    return ""
