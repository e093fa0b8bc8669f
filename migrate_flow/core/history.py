"""What the entries amount to: policies in order, what was said of each revision, what stands in each target.

These records are built up by `lifecycle.fold` and only read elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, MutableSet
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from migrate_flow.core.chain import ORIGIN, Head
from migrate_flow.core.guard import NO_GUARD, RecordedGuard
from migrate_flow.core.packed import Hashes, Nonces

if TYPE_CHECKING:
    from migrate_flow.core.entry import Subject
    from migrate_flow.core.policy import Policy
    from migrate_flow.core.snapshot import RecordedSchema


class Applied(StrEnum):
    """How a revision stands in one target."""

    APPLIED = "applied"
    FAILED = "failed"
    PARTIAL = "partial"
    OPEN = "open"
    ROLLED_BACK = "rolled-back"
    GRANDFATHERED = "grandfathered"
    OUT_OF_BAND = "out-of-band"


STANDING_STATES = frozenset({Applied.APPLIED, Applied.GRANDFATHERED, Applied.OUT_OF_BAND})


@dataclass(slots=True)
class Attestation:
    """One signed statement, decoded. flaw: why it does not count, empty if it does. key: the signing public key.

    undone: it counted when it was made, and was taken back or its key revoked since. seen: position of the newest
    entry that its signer had seen: what came later was not on their mind.
    """

    seq: int
    kind: str
    actor: str
    key: str
    at: datetime
    revision: str
    manifest: str
    fields: Mapping[str, Any] = field(repr=False)
    subjects: tuple[Subject, ...] = field(default=(), repr=False)
    flaw: str = ""
    undone: bool = False
    seen: int = 0

    @property
    def was_valid(self) -> bool:
        """Whether it counted when it was made."""
        return not self.flaw or self.undone

    def restore(self) -> None:
        """It counts again: what took it back does not."""
        if self.undone:
            self.flaw, self.undone = "", False

    def undo(self, why: str) -> None:
        """From now on it does not count."""
        if not self.flaw:
            self.flaw, self.undone = why, True


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """A policy that was in force from seq on. number counts from 1. by: its signers, the first one proposed it."""

    seq: int
    number: int
    policy: Policy
    by: str
    at: datetime


@dataclass(slots=True)
class Proposal:
    """A policy that waits for more signatures. base: digest of the policy that it changes. keys: by signer."""

    seq: int
    policy: Policy
    base: str
    by: str
    at: datetime
    keys: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Revocation:
    """A key that signs nothing any more. since: position from which on it did not count before either, 0 for none."""

    seq: int
    key: str
    by: str
    since: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Succession:
    """The ledger that this one follows, which can't be used any more: its id, and its newest entry then."""

    ledger: str
    head: Head
    why: str


@dataclass(slots=True)
class RevisionRecord:
    """Everything that was said of one revision, in the ledger's order."""

    id: str
    created: list[Attestation] = field(default_factory=list)
    checks: list[Attestation] = field(default_factory=list)
    self_reviews: list[Attestation] = field(default_factory=list)
    reviews: list[Attestation] = field(default_factory=list)
    approvals: list[Attestation] = field(default_factory=list)
    waivers: list[Attestation] = field(default_factory=list)
    withdrawals: list[Attestation] = field(default_factory=list)
    adopted: dict[str, str] = field(default_factory=dict)  # environment -> manifest
    taken_back: list[tuple[Attestation, Attestation]] = field(default_factory=list)  # by what, and what
    seqs: list[int] = field(default_factory=list)
    claims: Mapping[str, set[str]] = field(default_factory=dict, repr=False)  # the history's

    def last_self_review(self) -> Attestation | None:
        for said in reversed(self.self_reviews):
            if not said.flaw:
                return said
        return None

    def withdrawn(self) -> Attestation | None:
        """The newest withdrawal, if nobody took the migration up again with a self-review since."""
        if not self.withdrawals:
            return None
        last = next((said for said in reversed(self.withdrawals) if not said.flaw), None)
        taken_up = max((said.seq for said in self.self_reviews if not said.flaw), default=0)
        return last if last is not None and last.seq > taken_up else None

    def withdrawn_before(self) -> int:
        """Reviews and approvals up to this position speak of what was withdrawn since, and don't count."""
        return max((said.seq for said in self.withdrawals if not said.flaw), default=0)

    def attestation(self, seq: int) -> Attestation | None:
        """The check, self-review, review, approval or waiver at a position."""
        said = (*self.checks, *self.self_reviews, *self.reviews, *self.approvals, *self.waivers)
        return next((item for item in said if item.seq == seq), None)

    def everything(self) -> Iterator[Attestation]:
        yield from self.created
        yield from self.checks
        yield from self.self_reviews
        yield from self.reviews
        yield from self.approvals
        yield from self.waivers
        yield from self.withdrawals

    def last_content(self) -> Attestation | None:
        """The newest entry that stored the script's bytes: a self-review, else `created`."""
        stored = [said for said in (*self.created, *self.self_reviews) if not said.flaw]
        return max(stored, key=lambda said: said.seq, default=None)


@dataclass(frozen=True, slots=True)
class Application:
    """The latest word on one revision in one target.

    stored: position of the entry that holds the bytes that ran. place: its fields down_revision, depends_on,
    branch_labels, message, modules and environment_digests (of an adoption: also files), as they were then.
    """

    revision: str
    state: Applied
    at: datetime
    by: str
    seq: int
    manifest: str
    behaviour: str = ""
    attempt: str = ""
    stored: int = 0
    place: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def stands(self) -> bool:
        return self.state in STANDING_STATES


@dataclass(frozen=True, slots=True)
class Attempt:
    """An intent whose outcome is not recorded yet. operator: host and pid of the process.

    before: how the revision stood when it was made. resumes: the attempt that this one goes on with. may_resume:
    whether somebody with the right to apply decided that it goes on. stated: what people said of statements in doubt,
    by number.
    """

    id: str
    seq: int
    revision: str
    direction: str
    manifest: str
    behaviour: str
    from_heads: tuple[str, ...]
    by: str
    at: datetime
    operator: Mapping[str, Any]
    before: Application | None = None
    place: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    resumes: Attempt | None = None
    may_resume: bool = False
    stated: Mapping[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class TargetRecord:
    """What the ledger says of one database. heads: None until something was recorded. receipt: the attempt whose
    receipt must be the target's newest, empty where none is expected. schema: as it was last left by us, or accepted;
    None where nothing tells, unread: of the entry that should have. drift: mark of the newest one that was found and
    not accepted since. guard: if any."""

    uuid: str
    applications: MutableMapping[str, Application] = field(default_factory=dict)
    heads: tuple[str, ...] | None = None
    version_table: Mapping[str, Any] | None = None
    attempt: Attempt | None = None
    receipt: str = ""
    adopted_at: int = 0
    rolled_back: dict[str, int] = field(default_factory=dict)  # revision -> position of the newest rollback
    schema: RecordedSchema | None = None
    unread: int = 0
    drift: str = ""
    guard: RecordedGuard = NO_GUARD

    def stands(self, revision: str) -> bool:
        application = self.applications.get(revision)
        return application is not None and application.stands

    def standing(self) -> frozenset[str]:
        """Revisions that are applied in this target, however they came there."""
        return frozenset(revision for revision in self.applications if self.stands(revision))

    def put(self, application: Application) -> None:
        self.applications[application.revision] = application


@dataclass(slots=True)
class EnvironmentRecord:
    """The targets of one environment: one, but for personal environments; retired ones are kept apart."""

    name: str
    targets: dict[str, TargetRecord] = field(default_factory=dict)
    retired: dict[str, TargetRecord] = field(default_factory=dict)

    def target(self, uuid: str) -> TargetRecord:
        return self.targets.setdefault(uuid, TargetRecord(uuid))

    def retire_all(self) -> None:
        self.retired.update(self.targets)
        self.targets.clear()

    def latest(self, revision: str, manifest: str = "") -> Application | None:
        """Over all targets: one where it stands before one where it does not, these bytes before others, then the
        newest."""
        found = [t.applications[revision] for t in self.targets.values() if revision in t.applications]
        if len(found) < 2:
            return found[0] if found else None
        return max(found, key=lambda a: (a.stands, a.manifest == manifest, a.seq))

    def open_attempts(self) -> list[tuple[TargetRecord, Attempt]]:
        return [(target, target.attempt) for target in self.targets.values() if target.attempt]


@dataclass(slots=True)
class History:
    """The whole ledger, understood. seq, hash: of the newest entry.

    lean: nothing more is wanted than the fold's own judgement, so nothing is kept that it won't ask for again.
    """

    lean: bool = False
    ledger: str = ""
    project: str = ""
    seq: int = 0
    hash: str = ORIGIN
    genesis: str = ""
    last_at: datetime | None = None
    policies: list[PolicyVersion] = field(default_factory=list)
    proposals: dict[int, Proposal] = field(default_factory=dict)
    revoked: dict[str, Revocation] = field(default_factory=dict)  # by public key
    charter: list[int] = field(default_factory=list)  # positions of what decides for all: policies, keys, targets
    succeeds: Succession | None = None
    claims: dict[str, set[str]] = field(default_factory=dict, repr=False)  # address -> whoever claimed it in a policy
    revisions: MutableMapping[str, RevisionRecord] = field(default_factory=dict)
    environments: dict[str, EnvironmentRecord] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)  # target -> environment
    files: dict[str, tuple[Subject, ...]] = field(default_factory=dict, repr=False)  # by manifest, once judged
    flawed: list[Attestation] = field(default_factory=list)
    repeated: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)  # by name: what was said last
    last_places: dict[str, Mapping[str, Any]] = field(default_factory=dict, repr=False, compare=False)  # by revision
    hashes: Hashes = field(default_factory=Hashes, repr=False)
    nonces: MutableSet[str] | Nonces = field(default_factory=set, repr=False)

    @property
    def head(self) -> Head:
        return Head(self.seq, self.hash)

    @property
    def empty(self) -> bool:
        return self.seq == 0 and self.hash == ORIGIN

    @property
    def policy(self) -> Policy:
        """The policy in force. Raises ValueError where the ledger has no genesis."""
        if self.policies:
            return self.policies[-1].policy
        raise ValueError("the first entry does not open the ledger")

    def keep(self, revision: str) -> RevisionRecord:
        """The record to add to. Put there also where it is there: what was kept of it is no longer all."""
        record = self.revisions[revision] = self.revisions.get(revision) or RevisionRecord(revision, claims=self.claims)
        return record

    def record(self, revision: str) -> RevisionRecord:
        return self.revisions.get(revision) or RevisionRecord(revision)

    def environment(self, name: str) -> EnvironmentRecord:
        return self.environments.get(name) or EnvironmentRecord(name)

    def attestations(self) -> Iterator[Attestation]:
        """Everything that people said of revisions, one revision after the other."""
        return (said for record in self.revisions.values() for said in record.everything())

    def pending(self) -> list[Proposal]:
        """Policies that could come into force with more signatures."""
        return [proposal for proposal in self.proposals.values() if proposal.base == self.policy.digest]

    def policy_version(self, digest: str) -> PolicyVersion | None:
        """The newest version with this digest."""
        return next((version for version in reversed(self.policies) if version.policy.digest == digest), None)
