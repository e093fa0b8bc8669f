"""What the gates look at. Collected once by `services.facts`; the gates are pure functions of these values."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from migrate_flow.core.evidence import NOTHING, Evidence
from migrate_flow.core.guard import KIND
from migrate_flow.core.trace import Trace
from migrate_flow.core.traits import Traits

if TYPE_CHECKING:
    from migrate_flow.core.history import Application, History, TargetRecord
    from migrate_flow.core.policy import EnvironmentRules, Policy, PolicyFile
    from migrate_flow.core.snapshot import Difference, RecordedSchema
    from migrate_flow.core.standing import Standing


@dataclass(frozen=True, slots=True)
class Identity:
    """The row by which a target says which database it is. version_schema: empty for the default schema."""

    uuid: str
    project: str
    environment: str
    ledger: str
    version_table: str = "alembic_version"
    version_schema: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Committed in the target in the same transaction as the change of Alembic's version table."""

    attempt: str
    revision: str
    direction: str
    manifest: str
    from_heads: tuple[str, ...]
    to_heads: tuple[str, ...]
    ledger: str
    ledger_seq: int
    ledger_hash: str
    intent_hash: str
    at: str


@dataclass(frozen=True, slots=True)
class Activity:
    """A server process that works for us. process: the server's name for it. application: as it called itself.
    statement: shortened, empty if it does nothing. waits_for: who keeps it waiting. lock: what it holds."""

    process: str
    application: str
    since: str
    lock: str
    statement: str = ""
    statement_s: float = 0.0
    waits_for: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """A target as our own connection saw it. problem: why it could not be looked at, empty if it could.

    tables: names of tables that are not ours, at most a few. heads: rows of the version table, None where the
    target has no identity row yet (so the version table's name is not known). obstacle: why it can't be written
    (read-only, replica), empty if it can. absent: there is no such file, which the first write would make.
    """

    dialect: str = ""
    problem: str = ""
    server: str = ""
    tables: tuple[str, ...] = ()
    identity: Identity | None = None
    heads: tuple[str, ...] | None = None
    receipt: Receipt | None = None
    obstacle: str = ""
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Remains:
    """An attempt as its target shows it, at one look. receipt: the final one. trace: what else is durable of it.

    upgrades: (attempt, revision, manifest) of every final receipt of an upgrade, where they were asked for.
    """

    observation: Observation
    receipt: Receipt | None = None
    trace: Trace = field(default_factory=Trace)
    upgrades: frozenset[tuple[str, str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Sighting:
    """What an upstream database itself shows of an application that the ledger tells of. contradicts: how it says
    otherwise, and hint what mends that; empty if it does not. unseen: why it was not asked, empty if it was."""

    contradicts: str = ""
    hint: str = ""
    unseen: str = ""


@dataclass(frozen=True, slots=True)
class Drift:
    """The target's schema beside the recorded one. differences: that are not to be passed over; a guard that is not as
    it was installed is one. unknown: why they can't be told, empty if they can. recorded: None where there is nothing
    to compare with. now: fingerprint, empty where it could not be read."""

    recorded: RecordedSchema | None = None
    differences: tuple[Difference, ...] = ()
    unknown: str = ""
    now: str = ""

    @property
    def clean(self) -> bool | None:
        """None: neither yes nor no."""
        return None if self.unknown else not self.differences

    @property
    def guard(self) -> Difference | None:
        """How the guard is not as it was installed."""
        return next((one for one in self.differences if one.kind == KIND), None)

    @property
    def schema(self) -> tuple[Difference, ...]:
        """The differences of the schema alone."""
        return tuple(one for one in self.differences if one.kind != KIND)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """One revision, one environment, one direction, now.

    actor: whose key would sign, empty if none is here. now: by the clock, whatever the entries say. target: what the
    ledger knows of the observed database. manifest: of the script in this checkout, empty if it is not here.
    upstream: the latest word of each upstream environment on this revision. sightings: what those databases show of
    it, where the ledger says that it stands there. missing_ancestors: not applied and not earlier in the same plan.
    earlier: what is. conflicting_heads: several heads where one is asked for. downstream: environments further down
    in which the revision stands, nearest first. unknown_heads: where the database stands, and this checkout has no
    script of that name, so that Alembic could not plan an upgrade. drift: of the target's schema.
    evidence: of checks of these bytes. ancestries: of what would stand below them, as applied and as in this checkout;
    none where it can't be told. traits: of the bytes that would run.
    """

    revision: str
    rules: EnvironmentRules
    history: History
    policy: Policy
    policy_file: PolicyFile
    standing: Standing
    manifest: str
    behaviour: str
    actor: str
    now: datetime
    observation: Observation
    target: TargetRecord | None
    missing_ancestors: tuple[str, ...] = ()
    earlier: Set[str] = frozenset()
    upstream: Mapping[str, Application | None] = field(default_factory=dict)
    sightings: Mapping[str, Sighting] = field(default_factory=dict)
    conflicting_heads: tuple[str, ...] = ()
    signature_problems: tuple[str, ...] = ()
    waived: frozenset[str] = frozenset()
    direction: str = "upgrade"
    downstream: tuple[str, ...] = ()
    unknown_heads: tuple[str, ...] = ()
    drift: Drift = Drift()
    evidence: Evidence = NOTHING
    ancestries: tuple[str, ...] = ()
    traits: Traits = field(default_factory=Traits)
