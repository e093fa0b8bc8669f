"""The policy that a file proposes: its document, as the ledger signs it. URLs and timeouts are no part of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from migrate_flow.config.check_people import folded
from migrate_flow.config.keys import normalise
from migrate_flow.config.urls import dialect_of

if TYPE_CHECKING:
    from migrate_flow.config.settings import Environment, File, Person


def policy_document(file: File) -> dict[str, Any]:
    """Version 1, for a file that `check` found nothing in. Defaults are written out, lists keep their order.

    NOTE: a key that is added to the file later must be left out here while it has its default: an unchanged
    file keeps its digest over an upgrade.
    """
    policy, lint = file.policy, file.lint
    return {
        "v": 1,
        "people": {name: _person(person) for name, person in file.people.items()},
        "policy": {
            "separation": policy.separation,
            "peer_reviews": policy.peer_reviews,
            "approvals": dict(policy.approvals),
            "approval_expires": policy.approval_expires,
            "escalations": [{"when": list(e.when), "approvals": dict(e.approvals)} for e in policy.escalations],
            "review_roles": _unique(policy.review_roles),
            "admins": policy.admins,
            "allow_irreversible": policy.allow_irreversible,
            "unknown_authors": policy.unknown_authors,
            **(
                {"recovery_keys": _unique(normalise(key) for key in policy.recovery_keys)}
                if policy.recovery_keys
                else {}
            ),
        },
        "lint": {
            "contract_tables": list(lint.contract_tables),
            "severity": dict(lint.severity),
            "plugins": list(lint.plugins),
            "drift_ignore": list(lint.drift_ignore),
            **({"revision_pattern": lint.revision_pattern} if lint.revision_pattern else {}),
            **({"constraint_names": dict(lint.constraint_names)} if lint.constraint_names else {}),
        },
        "environments": [_environment(name, value) for name, value in file.environments.items()],
    }


def dialect(environment: Environment) -> str:
    """As configured, else as the URL's scheme says."""
    found = environment.dialect or dialect_of(environment.url)
    if found is None:
        raise ValueError("an environment without a dialect")
    return found


def _person(person: Person) -> dict[str, Any]:
    return {
        "roles": sorted(set(person.roles)),
        "keys": _unique(normalise(key) for key in person.keys),
        "aliases": _unique(folded(alias) for alias in person.aliases),
    }


def _environment(name: str, value: Environment) -> dict[str, Any]:
    return {
        "name": name,
        "dialect": dialect(value),
        "requires": value.requires or ("approved" if value.upstream else "created"),
        "upstream": _unique(value.upstream),
        "apply_roles": _unique(value.apply_roles or ()),
        "confirm": value.confirm,
        "soak": value.soak,
        "windows": _unique(value.windows or ()),
        "personal": value.personal,
    }


def _unique(values: Any) -> list[str]:
    return list(dict.fromkeys(values))
