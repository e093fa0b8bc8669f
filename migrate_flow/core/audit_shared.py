"""What the rows of one migration have in common: its bytes and what they say of themselves, its risks, its people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from migrate_flow.core.audit_tries import Content, Notes, Try
from migrate_flow.core.entry import Subject
from migrate_flow.core.standing import Progress, contributors, progress
from migrate_flow.core.traits import Traits, in_order

if TYPE_CHECKING:
    from migrate_flow.core.evidence import Evidence
    from migrate_flow.core.history import History, RevisionRecord
    from migrate_flow.core.policy import Policy


@dataclass(frozen=True, slots=True)
class Told:
    """What the stored bytes of a script say of themselves."""

    message: str = ""
    rationale: str = ""
    contract_mapping: str = ""
    rollback_note: str = ""
    ticket: str = ""
    traits: Traits = field(default_factory=Traits)


Read = Callable[[tuple[Subject, ...]], Told]
_SILENT = Told()


class Shared:
    """One migration, once the fold is through: nothing of it changes any more, so all is found once, whatever the
    number of its environments. read: the files of a migration, the script first."""

    __slots__ = (
        "_contents", "_everybody", "_evidence", "_progress", "_read", "_risks", "_told", "history", "notes", "record",
    )  # fmt: skip

    def __init__(self, history: History, notes: Notes, read: Read) -> None:
        self.history, self.notes, self.record, self._read = history, notes, history.record(notes.id), read
        self._everybody: frozenset[str] | None = None
        self._contents: dict[int, Content] = {}  # by identity: they live as long as the notes
        self._told: dict[tuple[Subject, ...], Told] = {}
        self._evidence: dict[str, Evidence] = {}
        self._risks: dict[tuple[int, tuple[Subject, ...], tuple[str, ...]], tuple[str, ...]] = {}
        self._progress: dict[tuple[str, tuple[str, ...], int], Progress] = {}

    def content(self, basis: Content | None) -> Content:
        """The bytes that ran; else those that were vouched for last. With what other entries tell of the same bytes."""
        found = self._contents.get(id(basis))
        if found is None:
            found = self._contents[id(basis)] = _content(self.notes, basis)
        return found

    def told(self, content: Content) -> Told:
        if not content.files:
            return _SILENT
        found = self._told.get(content.files)
        if found is None:
            found = self._told[content.files] = self._read(content.files)
        return found

    def evidence(self, manifest: str) -> Evidence:
        """What counts by now of these bytes."""
        found = self._evidence.get(manifest)
        if found is None:
            found = self._evidence[manifest] = self.notes.evidence_of(manifest, self.record)
        return found

    def risks(self, policy: Policy, content: Content, evidence: Evidence) -> tuple[str, ...]:
        """By the script, by this evidence, and by the policy's tables."""
        shown = evidence.risks
        place = (id(policy), content.files, shown)
        found = self._risks.get(place)
        if found is None:
            traits = self.told(content).traits
            found = policy.risks(replace(traits, risks=in_order({*traits.risks, *shown})))
            self._risks[place] = found
        return found

    def progress(self, manifest: str, risks: tuple[str, ...], after: int) -> Progress:
        """By today's policy. after: as `approvals_after`."""
        place = (manifest, risks, after)
        found = self._progress.get(place)
        if found is None:
            found = progress(self.record, manifest, self.history.policy, risks, approvals_after=after)
            self._progress[place] = found
        return found

    def authors(self, made: Try) -> frozenset[str]:
        """Those of then, and whoever of them has another name by now: not whoever worked on it later."""
        record = _until(self.record, made.intent.seq)
        if record is not self.record:
            return made.authors | contributors(record, self.history.policy)
        if self._everybody is None:
            self._everybody = contributors(record, self.history.policy)
        return made.authors if self._everybody <= made.authors else made.authors | self._everybody


def _until(record: RevisionRecord, seq: int) -> RevisionRecord:
    """As far as it stood before a position."""
    said = (record.created, record.self_reviews, record.reviews)
    if all(not some or some[-1].seq < seq for some in said):
        return record
    created, self_reviews, reviews = ([one for one in some if one.seq < seq] for some in said)
    return replace(record, created=created, self_reviews=self_reviews, reviews=reviews)


def _content(notes: Notes, basis: Content | None) -> Content:
    known = notes.contents[-1] if notes.contents else Content(0, "")
    found = basis or known
    for other in reversed(notes.contents):
        if other.manifest == found.manifest and other is not found:
            found = _completed(found, other)
    return found


def _completed(found: Content, other: Content) -> Content:
    message, git, sql = found.message or other.message, found.git or other.git, found.sql or other.sql
    versions = {**other.versions, **found.versions}
    if (message, git, sql, versions) == (found.message, found.git, found.sql, found.versions):
        return found
    return replace(found, message=message, git=git, sql=sql, versions=versions)
