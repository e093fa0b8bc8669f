"""What is noted of a migration while the ledger is read: its bytes, each try to apply it, and what was said of it in
each environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from migrate_flow.core.entry import Entry, Subject
from migrate_flow.core.evidence import NOTHING, Evidence, rehearsed_on
from migrate_flow.core.policy import Level, Policy

if TYPE_CHECKING:
    from migrate_flow.core.audit import Act
    from migrate_flow.core.history import Applied, Attestation, RevisionRecord


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes as one entry names them. files: the script first. sql: digests of what was rendered, by dialect and
    direction."""

    seq: int
    manifest: str
    files: tuple[Subject, ...] = ()
    message: str = ""
    parents: tuple[str, ...] = ()
    git: str = ""
    sql: tuple[tuple[str, str], ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Try:
    """An intent, and what came of it. reached: whether the migration was as far as the environment asked for there.
    upstream: whether it stood upstream, None where nothing is asked. asked: what the environment required.

    reviews, approvals, authors, evidence: those that counted at the position of the intent, by the policy in force
    there. expired: approvals that were too old then, with the reason. stood: where it stood in that database already,
    the position of the intent or adoption by which it did, else 0. resumes: it goes on with an earlier one, and what
    was asked of that one holds. begun: the intents that it goes on with.
    """

    intent: Act
    content: Content
    direction: str
    attempt: str
    target: str
    policy: Policy
    asked: Level = Level.CREATED
    reached: bool = False
    upstream: bool | None = None
    after: int = 0
    reviews: tuple[Attestation, ...] = ()
    approvals: tuple[Attestation, ...] = ()
    expired: tuple[tuple[Attestation, str], ...] = ()
    authors: frozenset[str] = frozenset()
    evidence: Evidence = NOTHING
    dialect: str = ""
    resumes: bool = False
    begun: tuple[Act, ...] = ()
    stood: int = 0
    outcomes: tuple[tuple[str, Act], ...] = ()
    duration_ms: int | None = None
    schema_before: str = ""
    schema_after: str = ""

    @property
    def up(self) -> bool:
        return self.direction == "upgrade"

    @property
    def counts(self) -> bool:
        return not self.intent.flaw

    @property
    def ended(self) -> tuple[str, Act] | None:
        return self.outcomes[-1] if self.outcomes else None

    @property
    def dialects(self) -> tuple[str, ...]:
        """On which it had to be rehearsed, as the gate asks for it."""
        asked = rehearsed_on(self.policy)
        return (self.dialect,) if self.dialect in asked else asked

    @property
    def checked(self) -> bool | None:
        """Whether evidence that speaks for it stood before the intent; None where the environment asks for none."""
        if self.asked.rank < Level.SELF_REVIEWED.rank:
            return None
        if not any(not one.errors for one in self.evidence.newest_lint()):
            return False
        runs = [self.evidence.newest_rehearsals(dialect) for dialect in self.dialects]
        return all(found and all(one.grade for one in found) for found in runs)


@dataclass(frozen=True, slots=True)
class Found:
    """What an adoption found in a database."""

    state: Applied
    act: Act
    content: Content
    target: str


@dataclass(slots=True)
class Place:
    """What was said of one revision in one environment. Most of it is rare: tuples, since an empty one costs nothing,
    and there may be very many of these."""

    seqs: list[int] = field(default_factory=list)
    tries: tuple[Try, ...] = ()
    refused: tuple[Act, ...] = ()
    waivers: tuple[Act, ...] = ()
    adopted: tuple[Found, ...] = ()
    gone: tuple[Act, ...] = ()
    drift: tuple[Act, ...] = ()
    uncounted: tuple[Act, ...] = ()


@dataclass(slots=True)
class Notes:
    """What was said of one revision. seqs: of the entries that name no environment. texts: comments, by position."""

    id: str
    first: int
    seqs: list[int] = field(default_factory=list)
    contents: list[Content] = field(default_factory=list)
    evidence: list[tuple[int, str, Evidence]] = field(default_factory=list)
    texts: dict[int, str] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)

    def place(self, environment: str) -> Place:
        return self.places.setdefault(environment, Place())

    def evidence_of(self, manifest: str, record: RevisionRecord) -> Evidence:
        """What counts of it by now."""
        flawed = {said.seq for said in (*record.checks, *record.self_reviews) if said.flaw}
        found = [one for seq, of, one in self.evidence if of == manifest and seq not in flawed]
        if len(found) == 1:
            return found[0]
        lint = tuple(lint for one in found for lint in one.lint)
        return Evidence(lint, tuple(run for one in found for run in one.rehearsals))


def content_of(entry: Entry, fields: Mapping[str, Any]) -> Content:
    """fields: of the entry, or of one revision in an adoption."""
    rendered = fields.get("sql", {})
    return Content(
        entry.seq,
        fields["manifest"],
        tuple(Subject(item["name"], item["digest"]["sha256"]) for item in entry.document["subject"]),
        fields.get("message", ""),
        (*fields.get("down_revision", ()), *fields.get("depends_on", ())),
        fields.get("git", {}).get("commit", ""),
        tuple(
            (f"{dialect} {way}", rendered[dialect][way])
            for dialect in sorted(rendered)
            for way in ("upgrade", "downgrade")
            if way in rendered[dialect]
        ),
        {**fields.get("versions", {}), **({"server": fields["server"]} if fields.get("server") else {})},
    )


def says_the_same(known: Content, entry: Entry, fields: Mapping[str, Any]) -> bool:
    """Whether the entry tells of the bytes what is known, and no more: then nothing need be kept of it. False tells
    nothing."""
    if "sql" in fields or "git" in fields or "versions" in fields or "server" in fields or known.versions:
        return False
    subjects = entry.document["subject"]
    return (
        len(subjects) == len(known.files)
        and all(
            item["name"] == file.name and item["digest"]["sha256"] == file.sha256
            for item, file in zip(subjects, known.files, strict=True)
        )
        and fields.get("message", "") == known.message
        and (*fields.get("down_revision", ()), *fields.get("depends_on", ())) == known.parents
    )


def kept_once(made: Content, known: Content) -> Content:
    """made, with what an earlier entry says of the same bytes taken from there."""
    return replace(
        made,
        manifest=known.manifest,
        files=known.files if known.files == made.files else made.files,
        message=known.message if known.message == made.message else made.message,
        parents=known.parents if known.parents == made.parents else made.parents,
    )


def in_words(fields: Mapping[str, Any]) -> str:
    """What an outcome says: why it failed, what a person decided, or the evidence."""
    parts = [fields.get("decision"), fields.get("error"), fields.get("comment"), *fields.get("left", ())]
    return "; ".join(str(part) for part in parts if part) or str(fields.get("evidence", ""))
