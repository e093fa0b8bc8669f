"""The shape of migrate-flow.toml. The field descriptions are its reference: schema and documentation show them.

What needs more than one field (names, upstreams, URLs, keys) is checked in the `check_*` modules.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from migrate_flow.config.urls import DEFAULT_LEDGER
from migrate_flow.config.values import (
    Count,
    Digest,
    Expression,
    HookTimeout,
    Kinds,
    LedgerId,
    Length,
    Line,
    Module,
    Risk,
    Role,
    Rule,
    Timeout,
    Variable,
    WindowText,
)
from migrate_flow.core import dialects

Requires = Literal["created", "self-reviewed", "peer-reviewed", "approved"]
Severity = Literal["error", "warning", "info", "off"]
Approvals = Annotated[dict[Role, Count], Field(min_length=1)]


class Table(BaseModel):
    """Strict: no conversions, no unknown keys. Lists become tuples, which strict mode would refuse by itself:
    hence `strict=False` on each of them; their items stay strict."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Project(Table):
    """The Alembic project that this file stands beside."""

    name: Line = Field(description="The project's name, as the ledger and the target databases record it.")
    alembic: Line = Field(
        "alembic.ini", description='The Alembic configuration, relative to this file: alembic.ini or "pyproject.toml".'
    )
    alembic_section: Line = Field("alembic", description="The ini section, as `alembic -n`.")
    url_env: Variable | None = Field(
        None, description="Hand the environment's URL to env.py in this environment variable as well."
    )
    flask_app: Line | None = Field(
        None, description="Run env.py inside of this Flask application (Flask-Migrate), as `flask --app`."
    )
    x: tuple[Line, ...] = Field((), strict=False, description="Arguments for env.py, as `alembic -x`.")
    graph: Literal["literal", "import"] = Field(
        "literal",
        description="How the revision graph is read: from literals alone, or also by importing the scripts whose "
        "branch labels or depends_on are expressions.",
    )
    ticket_pattern: Expression | None = Field(
        None, description="A regular expression: each migration's documentation must contain a match."
    )
    style_guide: Line | None = Field(None, description="Path or address of the style guide that self-review shows.")
    checklist: tuple[Line, ...] = Field(
        (), strict=False, description="Questions that self-review asks; the answers are recorded."
    )


class Ledger(Table):
    """Where the entries are kept, and which ledger is the right one."""

    url: Line = Field(
        DEFAULT_LEDGER,
        description="SQLite (one machine; relative to this file) or PostgreSQL (a team); env:NAME and keyring:NAME "
        "work here too.",
    )
    id: LedgerId = Field("", description="The ledger's id, written by init. Another ledger at the URL is refused.")
    genesis: Digest = Field("", description="The hash of the ledger's first entry, written by init.")


class Environment(Table):
    """A place in the promotion order, and its database."""

    url: Line = Field(
        description="The database: a URL without password, env:NAME (an environment variable) or keyring:NAME."
    )
    dialect: dialects.Name | None = Field(
        None, description="The kind of database; must be given where the URL is env: or keyring:."
    )
    requires: Requires | None = Field(
        None,
        description="What a migration needs before it may be applied here. With an upstream it is approved, and "
        "nothing less; without one the default is created.",
    )
    upstream: tuple[Line, ...] = Field(
        (), strict=False, description="Environments where a migration must be applied first."
    )
    apply_roles: tuple[Role, ...] | None = Field(
        None, strict=False, min_length=1, description="Roles that may apply here. Without it: everybody in [people]."
    )
    confirm: bool = Field(False, description="The operator types the environment's name before anything runs.")
    soak: Length | None = Field(None, description="How long a migration must have stood upstream first.")
    windows: tuple[WindowText, ...] | None = Field(
        None, strict=False, min_length=1, description="When migrations may be applied. Without it: always."
    )
    lock_timeout: Timeout = Field("5s", description="How long a statement waits for a lock before the whole try ends.")
    statement_timeout: Timeout = Field("15min", description="How long a statement may run.")
    lock_retries: Annotated[int, Field(ge=0, le=1000)] = Field(
        10, description="How often a migration that met a lock is tried again."
    )
    personal: bool = Field(
        False, description="Each developer has a database of one's own under this name. Only without an upstream."
    )


class Escalation(Table):
    """Riskier migrations need more approvals."""

    when: tuple[Risk, ...] = Field(
        strict=False,
        min_length=1,
        description="Risks, any of which asks for more: destructive, lossy, irreversible, waiver, raw-sql-unknown, "
        "table:GLOB.",
    )
    approvals: Approvals = Field(description="Approvals by role, at least these.")


class Policy(Table):
    """Who must say yes. In force is the ledger's copy: a change here counts after `migrate-flow policy record`."""

    separation: Literal["strict", "two-person"] = Field(
        "strict",
        description="strict: author, peer reviewer and approver are three people. two-person: the peer reviewer may "
        "also approve.",
    )
    peer_reviews: Count = Field(1, description="Peer reviews that a migration needs.")
    approvals: Approvals = Field({"backend-lead": 1}, description="Approvals that every migration needs, by role.")
    approval_expires: Length | None = Field(None, description="How long an approval counts. Without it: always.")
    escalations: tuple[Escalation, ...] = Field((), strict=False, description="More approvals for riskier migrations.")
    admins: Count = Field(1, description="How many policy-admins must sign a change of the policy.")
    recovery_keys: tuple[Line, ...] = Field(
        (),
        strict=False,
        description="Public keys kept offline: they sign policies and key revocations like an admin, no more.",
    )
    allow_irreversible: bool = Field(
        False,
        description="Accept a migration that can't be undone, if it waives a rule about reversibility with a reason.",
    )
    review_roles: tuple[Role, ...] = Field(
        ("developer",), strict=False, min_length=1, description="Roles that may peer review."
    )
    unknown_authors: Literal["warn", "refuse"] = Field(
        "warn", description="What to do about a git author whom no person of [people] claims."
    )


class Person(Table):
    """A person or a bot, named by e-mail address; known by key."""

    roles: tuple[Role, ...] = Field((), strict=False, description="Roles, such as developer or backend-lead.")
    keys: tuple[Line, ...] = Field(
        (), strict=False, description="OpenSSH public keys: ssh-ed25519, ecdsa-sha2-nistp*, sk-ssh-ed25519, sk-ecdsa."
    )
    aliases: tuple[Line, ...] = Field((), strict=False, description="Other e-mail addresses in git's history.")


class Lint(Table):
    """The static rules."""

    contract_tables: tuple[Line, ...] = Field(
        (), strict=False, description='Tables (globs) whose migrations need a "Contract mapping:" section.'
    )
    severity: dict[Rule, Severity] = Field({}, description="Severity by rule: error, warning, info or off.")
    plugins: tuple[Module, ...] = Field((), strict=False, description="Dotted modules with rules of one's own.")
    revision_pattern: Expression | None = Field(
        None, description="A regular expression for the ids of revisions. Without it: whatever Alembic takes."
    )
    constraint_names: dict[Literal["pk", "fk", "uq", "ix", "ck"], Expression] = Field(
        {},
        description="What constraints and indexes are called: a regular expression by their kind, with {table} for the "
        "table's name.",
    )
    drift_ignore: tuple[Line, ...] = Field((), strict=False, description="Objects (globs) that drift passes over.")


class Rehearsal(Table):
    """Servers for scratch databases, and where the history starts."""

    postgresql: Line | None = Field(None, description="A PostgreSQL URL, env:NAME or keyring:NAME.")
    mysql: Line | None = Field(None, description="A MySQL or MariaDB URL, env:NAME or keyring:NAME.")
    baseline: Line | None = Field(
        None,
        description='What stands before the first migration: a schema file, or "command: …". "environment:NAME" is '
        "refused yet: dump that schema into a file.",
    )


class Hook(Table):
    """A command that is run after entries of some kinds, by name."""

    on: tuple[Kinds, ...] = Field(
        strict=False,
        min_length=1,
        description='Kinds of entries, or beginnings of them: "apply.applied", "apply.", "migration.self-reviewed".',
    )
    command: tuple[Line, ...] = Field(
        strict=False,
        min_length=1,
        description="The program and its arguments, as a list; no shell. With a slash: relative to this file's folder.",
    )
    timeout: HookTimeout = Field("10s", description="How long one run may take, at most a minute.")


class File(Table):
    """The whole file."""

    project: Project = Field(description="The Alembic project.")
    ledger: Ledger = Field(Ledger(), description="The ledger.")
    environments: dict[str, Environment] = Field(
        min_length=1, description="The environments by name, in the order of promotion."
    )
    policy: Policy = Field(Policy(), description="Who must say yes.")
    people: dict[str, Person] = Field({}, description="People and bots by e-mail address, in lower case.")
    lint: Lint = Field(Lint(), description="The static rules.")
    rehearsal: Rehearsal = Field(Rehearsal(), description="Scratch databases.")
    hooks: dict[str, Hook] = Field({}, description="Commands that hear of new entries, by a name of one's own.")
