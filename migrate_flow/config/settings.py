"""The tables of migrate-flow.toml as plain values, with their defaults. `model` says what each may hold, and what it
means; it is asked for a file that nobody has checked yet, and takes longer to load than a short command runs. A test
holds fields and defaults together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from migrate_flow.config.urls import DEFAULT_LEDGER


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    name: str
    alembic: str = "alembic.ini"
    alembic_section: str = "alembic"
    url_env: str | None = None
    flask_app: str | None = None
    x: tuple[str, ...] = ()
    graph: str = "literal"
    ticket_pattern: str | None = None
    style_guide: str | None = None
    checklist: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Ledger:
    url: str = DEFAULT_LEDGER
    id: str = ""
    genesis: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    url: str
    dialect: str | None = None
    requires: str | None = None
    upstream: tuple[str, ...] = ()
    apply_roles: tuple[str, ...] | None = None
    confirm: bool = False
    soak: str | None = None
    windows: tuple[str, ...] | None = None
    lock_timeout: str = "5s"
    statement_timeout: str = "15min"
    lock_retries: int = 10
    personal: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Escalation:
    when: tuple[str, ...]
    approvals: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    separation: str = "strict"
    peer_reviews: int = 1
    approvals: Mapping[str, int] = field(default_factory=lambda: {"backend-lead": 1})
    approval_expires: str | None = None
    escalations: tuple[Escalation, ...] = ()
    admins: int = 1
    recovery_keys: tuple[str, ...] = ()
    allow_irreversible: bool = False
    review_roles: tuple[str, ...] = ("developer",)
    unknown_authors: str = "warn"


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    roles: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Lint:
    contract_tables: tuple[str, ...] = ()
    severity: Mapping[str, str] = field(default_factory=dict)
    plugins: tuple[str, ...] = ()
    revision_pattern: str | None = None
    constraint_names: Mapping[str, str] = field(default_factory=dict)
    drift_ignore: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Rehearsal:
    postgresql: str | None = None
    mysql: str | None = None
    baseline: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Hook:
    on: tuple[str, ...]
    command: tuple[str, ...]
    timeout: str = "10s"


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    project: Project
    ledger: Ledger
    environments: Mapping[str, Environment]
    policy: Policy
    people: Mapping[str, Person]
    lint: Lint
    rehearsal: Rehearsal
    hooks: Mapping[str, Hook]


def file_of(raw: Mapping[str, Any]) -> File:
    """The values of a file in whose shape `model` finds nothing wrong; lists become tuples."""
    policy = _values(raw.get("policy", {}))
    policy["escalations"] = tuple(Escalation(**_values(each)) for each in policy.get("escalations", ()))
    return File(
        project=Project(**_values(raw["project"])),
        ledger=Ledger(**_values(raw.get("ledger", {}))),
        environments={name: Environment(**_values(each)) for name, each in raw["environments"].items()},
        policy=Policy(**policy),
        people={name: Person(**_values(each)) for name, each in raw.get("people", {}).items()},
        lint=Lint(**_values(raw.get("lint", {}))),
        rehearsal=Rehearsal(**_values(raw.get("rehearsal", {}))),
        hooks={name: Hook(**_values(each)) for name, each in raw.get("hooks", {}).items()},
    )


def _values(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
