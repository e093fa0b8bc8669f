"""How a migration stands: its state for given bytes, and who can move it on. Pure; the clock is an argument."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING

from migrate_flow.core.entry import Kind
from migrate_flow.core.policy import Level, Policy

if TYPE_CHECKING:
    from migrate_flow.core.history import Attestation, RevisionRecord

_NOBODY: Mapping[str, str] = MappingProxyType({})


# Looked up once: Python 3.11 takes its time to find a member of an enumeration.
_CREATED, _SELF_REVIEWED, _REVIEWED = Kind.MIGRATION_CREATED, Kind.SELF_REVIEWED, Kind.REVIEWED
_POSITION = attrgetter("seq")


class State(StrEnum):
    """The lifecycle, in order; `changes-requested`, `grandfathered` and `withdrawn` stand beside it."""

    UNTRACKED = "untracked"
    CREATED = "created"
    SELF_REVIEWED = "self-reviewed"
    CHANGES_REQUESTED = "changes-requested"
    PEER_REVIEWED = "peer-reviewed"
    APPROVED = "approved"
    GRANDFATHERED = "grandfathered"
    WITHDRAWN = "withdrawn"

    def reaches(self, level: Level) -> bool:
        """Whether it is as far as an environment asks for."""
        rank = _RANKS.get(self)
        return rank is not None and rank.rank >= level.rank


_RANKS = {
    State.CREATED: Level.CREATED,
    State.SELF_REVIEWED: Level.SELF_REVIEWED,
    State.CHANGES_REQUESTED: Level.SELF_REVIEWED,
    State.PEER_REVIEWED: Level.PEER_REVIEWED,
    State.APPROVED: Level.APPROVED,
}


@dataclass(frozen=True)
class Standing:
    """missing_roles: approvals still missing, by role. may_review, may_approve: people who could act next.

    uncounted: attestations about these bytes that do not count, each with the reason. unknown_authors: addresses that
    git showed at the newest self-review or since, and that nobody in the policy claims.
    """

    state: State
    manifest: str
    stale: str = ""
    contributors: frozenset[str] = frozenset()
    self_review: Attestation | None = None
    reviews: tuple[Attestation, ...] = ()
    objections: tuple[Attestation, ...] = ()
    approvals: tuple[Attestation, ...] = ()
    reviews_missing: int = 0
    missing_roles: Mapping[str, int] = field(default_factory=dict)
    may_review: tuple[str, ...] = ()
    may_approve: tuple[str, ...] = ()
    uncounted: tuple[tuple[Attestation, str], ...] = ()
    unknown_authors: tuple[str, ...] = ()


def contributors(record: RevisionRecord, policy: Policy | None = None) -> frozenset[str]:
    """Everybody whose work it is; they only grow, also where an entry that names them is taken back.

    Whoever signs a self-review is one, always. Whoever signs `created` is one unless that entry names others.
    policy: whoever claims by now an address that nobody claimed when an entry recorded it is one too, and whoever did
    in an earlier policy.
    """
    found: set[str] = set()
    addresses: set[str] = set()
    for said in (*record.created, *record.self_reviews, *record.reviews):
        if said.flaw and not said.was_valid:
            continue
        named = said.fields.get("contributors", ())
        found.update(named)
        if said.kind == _SELF_REVIEWED or (said.kind == _CREATED and not named):
            found.add(said.actor)
        addresses.update(_addresses(said))
    if policy is None or not addresses:
        return frozenset(found)
    found.update(*(record.claims.get(address.casefold(), ()) for address in addresses))
    return frozenset(found | claimed(policy, addresses).keys())


def own_work(record: RevisionRecord, person: str) -> str:
    """In words, for a contributor. Where a reviewer's word alone makes one of them, it says whose: what git showed a
    reviewer can't be told from the ledger."""
    theirs = [said for said in (*record.created, *record.self_reviews) if said.was_valid]
    if not any(person == said.actor or person in said.fields.get("contributors", ()) for said in theirs):
        reviews = (said for said in record.reviews if said.was_valid)
        by = next((said for said in reviews if person in said.fields.get("contributors", ())), None)
        if by is not None:
            return f"{person} contributed to this migration (so says the review of {by.actor}, entry {by.seq})"
    return f"{person} contributed to this migration"


def claimed(policy: Policy, addresses: Iterable[str]) -> dict[str, str]:
    """Person -> address, of those whose name or alias is among the addresses; upper and lower case are the same."""
    return {owner: address for address, owner in _owners(policy, addresses).items() if owner}


def unclaimed(policy: Policy, addresses: Iterable[str]) -> tuple[str, ...]:
    """Those of nobody in the policy, in lower case and sorted."""
    return tuple(sorted(address.casefold() for address, owner in _owners(policy, addresses).items() if not owner))


def _owners(policy: Policy, addresses: Iterable[str]) -> dict[str, str]:
    """Address -> person, empty where it is nobody's. One of each that differ by case alone."""
    wanted = {address.casefold(): address for address in sorted(addresses)}
    if not wanted:
        return {}
    known = {name.casefold(): name for name in policy.people}
    known |= {alias.casefold(): name for name, person in policy.people.items() for alias in person.aliases}
    return {address: known.get(folded, "") for folded, address in wanted.items()}


def refuses_unknown_authors(policy: Policy) -> bool:
    """Whether an author whom nobody in the policy claims stands in the way, rather than being shown."""
    return bool(policy.document["policy"].get("unknown_authors", "warn") == "refuse")


def _addresses(said: Attestation) -> tuple[str, ...]:
    """Authors whom nobody claimed when git was read for this entry."""
    if "git" not in said.fields:
        return ()
    found = said.fields["git"].get("authors", ())
    return tuple(address for address in found if isinstance(address, str)) if isinstance(found, list) else ()


def unknown_since_self_review(record: RevisionRecord, policy: Policy) -> tuple[str, ...]:
    """Addresses that the newest self-review or a later review recorded, and that nobody claims."""
    last = record.last_self_review()
    if last is None:
        return ()
    later = (said for said in record.reviews if said.seq > last.seq and not said.flaw)
    return unclaimed(policy, (address for said in (last, *later) for address in _addresses(said)))


def stand(
    record: RevisionRecord,
    manifest: str | None,
    policy: Policy,
    *,
    risks: Iterable[str] = (),
    now: datetime | None = None,
    approvals_after: int = 0,
    also: Mapping[str, str] = _NOBODY,
) -> Standing:
    """The standing of these bytes (None: the script is not here, so the bytes that the ledger last stored).

    approvals_after: attestations of approval up to this position don't count (after a rollback). also: contributors
    whom no entry names yet, each with the reason.
    """
    stored = record.last_content()
    current = manifest or (stored.manifest if stored else next(iter(record.adopted.values()), ""))
    found = progress(record, current, policy, risks, now=now, approvals_after=approvals_after, also=also)
    tally = found.tally
    return Standing(
        state=found.state,
        manifest=current,
        stale=_stale(record, current),
        contributors=tally.authors,
        self_review=found.self_review,
        reviews=tuple(tally.reviews.values()),
        objections=tuple(tally.objections.values()),
        approvals=tuple(tally.approvals.values()),
        reviews_missing=found.reviews_missing,
        missing_roles=found.missing_roles,
        may_review=tuple(
            p for p in policy.holders(policy.review_roles) if p not in tally.reviews and not tally.bars_review(p)
        ),
        may_approve=tuple(p for p in policy.holders(found.missing_roles) if not tally.bars_approval(p)),
        uncounted=tuple(tally.uncounted),
        unknown_authors=unknown_since_self_review(record, policy),
    )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far these bytes are, without who could move them on: what the fold asks at every intent and approval."""

    state: State
    self_review: Attestation | None
    reviews_missing: int
    missing_roles: Mapping[str, int]
    tally: _Tally


def progress(
    record: RevisionRecord,
    manifest: str,
    policy: Policy,
    risks: Iterable[str] = (),
    *,
    now: datetime | None = None,
    approvals_after: int = 0,
    also: Mapping[str, str] = _NOBODY,
) -> Progress:
    """As `stand`, for bytes that are known."""
    self_review = record.last_self_review()
    if self_review is not None and (self_review.manifest != manifest or record.withdrawn()):
        self_review = None
    tally = _Tally(record, policy, contributors(record, policy), also, manifest, now, approvals_after)
    tally.count()
    needed = policy.required_approvals(risks)
    given = [said.fields["role"] for said in tally.approvals.values()]
    missing = {role: n - given.count(role) for role, n in needed.items() if n > given.count(role)}
    reviews_missing = max(0, policy.peer_reviews - len(tally.reviews))
    state = _state(record, self_review, tally, reviews_missing, missing)
    return Progress(state, self_review, reviews_missing, missing, tally)


class _Tally:
    """Counts reviews and approvals of one manifest in the ledger's order, one person once."""

    def __init__(
        self,
        record: RevisionRecord,
        policy: Policy,
        authors: frozenset[str],
        also: Mapping[str, str],
        manifest: str,
        now: datetime | None,
        approvals_after: int,
    ) -> None:
        self.policy, self.authors, self.manifest = policy, authors.union(also) if also else authors, manifest
        self.record, self.also = record, also
        self.now, self.approvals_after = now, approvals_after
        self.reviews: dict[str, Attestation] = {}
        self.objections: dict[str, Attestation] = {}
        self.approvals: dict[str, Attestation] = {}
        self.uncounted: list[tuple[Attestation, str]] = []

    def count(self) -> None:
        record = self.record
        since = record.withdrawn_before()
        spoken = [s for s in (*record.reviews, *record.approvals) if s.manifest == self.manifest and s.seen >= since]
        for said in sorted(spoken, key=_POSITION):
            count = self._count_review if said.kind == _REVIEWED else self._count_approval
            if reason := said.flaw or self._lost_role(said) or count(said):
                self.uncounted.append((said, reason))

    def _lost_role(self, said: Attestation) -> str:
        """An attestation counts as long as its signer still holds the role in which it was made."""
        roles = self.policy.review_roles if said.kind == _REVIEWED else (said.fields["role"],)
        if said.fields.get("verdict") == "request-changes" or self.policy.has_role(said.actor, roles):
            return ""
        return f"{said.actor} no longer holds the role {' or '.join(sorted(roles))}"

    def _count_review(self, said: Attestation) -> str:
        if said.actor in self.authors:
            return self._own_work(said.actor)
        if said.fields["verdict"] == "request-changes":
            self.reviews.pop(said.actor, None)
            self.objections[said.actor] = said
            return ""
        self.objections.pop(said.actor, None)  # theirs to take back, even where they can't count as a reviewer
        if barred := self.bars_review(said.actor):
            return barred
        self.reviews[said.actor] = said
        return ""

    def _count_approval(self, said: Attestation) -> str:
        if barred := self.bars_approval(said.actor):
            return barred
        if said.seen < self.approvals_after:
            return "rolled back since, approve again"
        expires = self.policy.approval_expires
        if expires is not None and self.now is not None and said.at + expires < self.now:
            return f"expired: older than {self.policy.document['policy']['approval_expires']}"
        self.approvals[said.actor] = said
        return ""

    def _own_work(self, person: str) -> str:
        return self.also.get(person) or own_work(self.record, person)

    def bars_review(self, person: str) -> str:
        """Why this person can't be a peer reviewer of these bytes; empty if they can."""
        if person in self.authors:
            return self._own_work(person)
        if self.policy.separation == "strict" and person in self.approvals:
            return f"{person} approved it: author, reviewer and approver are three people"
        return ""

    def bars_approval(self, person: str) -> str:
        """Why this person can't approve these bytes (again); empty if they can."""
        if person in self.authors:
            return self._own_work(person)
        if self.policy.separation == "strict" and person in self.reviews:
            return f"{person} reviewed it: author, reviewer and approver are three people"
        if person in self.approvals:
            return f"{person} approved already, as {self.approvals[person].fields['role']}"
        return ""


def _state(
    record: RevisionRecord,
    self_review: Attestation | None,
    tally: _Tally,
    reviews_missing: int,
    missing: Mapping[str, int],
) -> State:
    if self_review is None and all(said.flaw for said in (*record.created, *record.self_reviews)):
        return State.GRANDFATHERED if record.adopted else State.UNTRACKED
    if record.withdrawn():
        return State.WITHDRAWN
    if self_review is None:
        return State.CREATED
    if tally.objections:
        return State.CHANGES_REQUESTED
    if reviews_missing:
        return State.SELF_REVIEWED
    return State.PEER_REVIEWED if missing else State.APPROVED


def _stale(record: RevisionRecord, current: str) -> str:
    """What was said of other bytes, newest first; empty if nothing is stale."""
    if record.adopted and current not in record.adopted.values() and not record.created:
        return "the script changed since it was adopted"
    last = record.last_self_review()
    if last is None or last.manifest == current:
        return ""
    said = [s for s in (*record.self_reviews, *record.reviews, *record.approvals) if not s.flaw]
    newest = max((s for s in said if s.manifest == last.manifest), key=lambda s: s.seq)
    deed = {"migration.approved": "approval", "migration.reviewed": "review"}.get(newest.kind, "self-review")
    return f"the script changed since the {deed} by {newest.actor} (entry {newest.seq})"
