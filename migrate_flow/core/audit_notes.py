"""What has to be noted while the fold goes over the ledger, so that a row of evidence can be told afterwards.

The fold alone judges what counts. Noted is what it does not keep: what each entry said, and how things stood at the
position of each intent, for the controls go by position and by the policy in force there, never by a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from migrate_flow.core.audit import Act
from migrate_flow.core.audit_people import People
from migrate_flow.core.entry import Entry, Kind, Subject
from migrate_flow.core.evidence import Evidence, evidence_of
from migrate_flow.core.history import Applied, Attestation, History, RevisionRecord
from migrate_flow.core.lifecycle import KeyOf, add
from migrate_flow.core.policy import EnvironmentRules, Level, Policy
from migrate_flow.core.standing import progress

_MALFORMED = (KeyError, TypeError, ValueError, AttributeError)
_OUTCOMES = {
    Kind.APPLY_APPLIED: Applied.APPLIED,
    Kind.APPLY_FAILED: Applied.FAILED,
    Kind.APPLY_PARTIAL: Applied.PARTIAL,
}


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

    reviews, approvals, authors: those who counted at the position of the intent, by the policy in force there.
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
    authors: frozenset[str] = frozenset()
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


@dataclass(slots=True)
class Place:
    """What was said of one revision in one environment. Most of it is rare: tuples, since an empty one costs nothing,
    and there may be very many of these."""

    seqs: list[int] = field(default_factory=list)
    tries: tuple[Try, ...] = ()
    refused: tuple[Act, ...] = ()
    waivers: tuple[Act, ...] = ()
    adopted: tuple[tuple[Applied, Act, Content], ...] = ()
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


class Watch:
    """Takes in one entry after the other. elsewhere: what concerns no revision, by environment."""

    def __init__(self, key_of: KeyOf) -> None:
        self.history = History(lean=True)
        self.people = People(self.history)
        self.notes: dict[str, Notes] = {}
        self.elsewhere: list[tuple[str, Act]] = []
        self._key_of, self._key, self._flaw = key_of, "", ""
        self._shared: dict[frozenset[str], frozenset[str]] = {}
        self._versions: dict[tuple[tuple[str, str], ...], Mapping[str, str]] = {}

    def take(self, entry: Entry) -> None:
        """Raises ValueError for an entry that is not ours."""
        before = len(self.history.flawed)
        self._key = ""
        add(self.history, entry, self._remembered)
        self._flaw = next((said.flaw for said in self.history.flawed[before:] if said.seq == entry.seq), "")
        noting = _NOTING.get(Kind(entry.kind))
        if noting is None:
            return
        try:
            self._keep_position(entry)
            noting(self, entry, entry.predicate)
        except _MALFORMED as error:
            # Mostly the fold has its word for an entry like that; the auditor sees it in any case.
            self._flaw = self._flaw or f"malformed: {type(error).__name__} {error}"
            self.elsewhere.append((str(entry.environment or ""), self._act(entry)))

    def _remembered(self, signature: str) -> str:
        self._key = self._key_of(signature)
        return self._key

    def _keep_position(self, entry: Entry) -> None:
        revision, environment = entry.revision, entry.environment
        if not isinstance(revision, str) or not revision:
            return
        notes = self.notes.get(revision)
        if notes is None:
            notes = self.notes[revision] = Notes(revision, entry.seq)
        (notes.place(environment).seqs if isinstance(environment, str) and environment else notes.seqs).append(
            entry.seq
        )

    def _act(self, entry: Entry, text: str = "") -> Act:
        return self.people.act(entry, self._key, text, self._flaw)

    # One kind each

    def _content(self, entry: Entry, fields: Mapping[str, Any]) -> None:
        notes = self.notes[fields["revision"]]
        if not self._flaw:
            notes.contents.append(content_of(entry, fields))
        self._evidence(entry, fields)

    def _evidence(self, entry: Entry, fields: Mapping[str, Any]) -> None:
        notes = self.notes[fields["revision"]]
        if self._flaw or not ("lint" in fields or "rehearsals" in fields):
            return
        record = self.history.revisions[notes.id]
        said = (record.self_reviews if entry.kind == Kind.SELF_REVIEWED else record.checks)[-1]
        whole = RevisionRecord(notes.id, checks=[replace(said, fields=fields)])
        notes.evidence.append((entry.seq, said.manifest, evidence_of(whole, said.manifest)))

    def _attested(self, entry: Entry, fields: Mapping[str, Any]) -> None:
        if comment := fields.get("comment"):
            self.notes[fields["revision"]].texts[entry.seq] = str(comment)

    def _waived(self, entry: Entry, fields: Mapping[str, Any]) -> None:
        text = f"{fields['gate']}: {fields.get('comment', '')}"
        place = self.notes[fields["revision"]].place(fields["environment"])
        place.waivers += (self._act(entry, text),)

    def _intended(self, entry: Entry, fields: Mapping[str, Any]) -> None:
        place = self.notes[fields["revision"]].place(fields["environment"])
        made = Try(
            self._act(entry, fields.get("comment", "")),
            self._known_content(entry, fields),
            fields["direction"],
            fields["attempt"],
            fields["target"],
            self.history.policy,
            schema_before=fields.get("schema", {}).get("fingerprint", ""),
        )
        earlier = next((one for one in place.tries if one.attempt == fields.get("resumes")), None)
        if earlier is not None and made.counts:
            # It goes on: what was asked of it was asked before its first statement.
            for name in ("asked", "reached", "upstream", "after", "reviews", "approvals", "authors"):
                setattr(made, name, getattr(earlier, name))
        elif made.up:
            self._stood(made, fields["revision"], fields["environment"])
        place.tries += (made,)

    def _known_content(self, entry: Entry, fields: Mapping[str, Any]) -> Content:
        """Most intents say of the bytes what was said before."""
        made = content_of(entry, fields)
        versions = tuple(sorted(made.versions.items()))
        made = replace(made, versions=self._versions.setdefault(versions, made.versions))
        for known in reversed(self.notes[fields["revision"]].contents):
            if known.manifest == made.manifest:
                made = replace(made, files=known.files)
                return known if replace(made, seq=known.seq, git=known.git, sql=known.sql) == known else made
        return made

    def _stood(self, made: Try, revision: str, environment: str) -> None:
        """How it stood at this position."""
        history, rules = self.history, made.policy.environments.get(environment)
        if rules is None:
            return
        known = history.environment(environment).targets.get(made.target)
        if known is not None and rules.requires is Level.APPROVED:
            made.after = known.rolled_back.get(revision, 0)
        found = progress(history.record(revision), made.content.manifest, made.policy, approvals_after=made.after)
        made.asked, made.reached = rules.requires, found.state.reaches(rules.requires)
        made.reviews, made.approvals = tuple(found.tally.reviews.values()), tuple(found.tally.approvals.values())
        made.authors = self._shared.setdefault(found.tally.authors, found.tally.authors)
        # An intent that counts was judged to have stood upstream.
        made.upstream = made.counts or self._upstream(rules, revision) if rules.upstream else None

    def _upstream(self, rules: EnvironmentRules, revision: str) -> bool:
        latest = (self.history.environment(name).latest(revision) for name in rules.upstream)
        return all(found is not None and found.state in (Applied.APPLIED, Applied.GRANDFATHERED) for found in latest)

    def _ended(self, entry: Entry, fields: Mapping[str, Any]) -> None:
        place = self.notes[fields["revision"]].place(fields["environment"])
        outcome = str(_OUTCOMES.get(Kind(entry.kind)) or fields["outcome"])
        act = self._act(entry, _in_words(fields))
        made = next((one for one in reversed(place.tries) if one.counts and one.attempt == fields["attempt"]), None)
        if self._flaw or made is None:
            place.uncounted += (act,)
            return
        made.outcomes += ((outcome, act),)
        milliseconds = fields.get("duration_ms")
        made.duration_ms = milliseconds if type(milliseconds) is int else made.duration_ms
        made.schema_after = fields.get("schema", {}).get("fingerprint", made.schema_after)

    def _refused(self, entry: Entry, fields: Mapping[str, Any]) -> None:
        gates = fields.get("gates", ())
        text = "; ".join(item if isinstance(item, str) else f"{item['gate']}: {item['reason']}" for item in gates)
        act, revision = self._act(entry, text), fields.get("revision")
        if revision:
            place = self.notes[revision].place(fields["environment"])
            place.refused += (act,)
        else:
            self.elsewhere.append((fields["environment"], act))

    def _adopted(self, entry: Entry, fields: Mapping[str, Any]) -> None:
        if self._flaw:
            self.elsewhere.append((str(fields.get("environment", "")), self._act(entry)))
            return
        for item in fields["revisions"]:
            notes = self.notes.setdefault(item["revision"], Notes(item["revision"], entry.seq))
            place, state = notes.place(fields["environment"]), Applied(item["state"])
            files = tuple(Subject(file["path"], file["sha256"]) for file in item["files"])
            content = replace(content_of(entry, item), files=files)
            place.seqs.append(entry.seq)
            act = self._act(entry, fields.get("comment", ""))
            place.adopted += ((state, act, content),)

    def _drift(self, entry: Entry, fields: Mapping[str, Any]) -> None:
        """It concerns what stands at the version table's rows; where that is nothing, no revision."""
        text = str(fields.get("comment") or fields.get("reason") or "")
        act, target = (
            self._act(entry, text),
            self.history.environment(fields["environment"]).targets.get(fields["target"]),
        )
        heads = target.heads or () if target is not None else ()
        there = [self.notes[head] for head in heads if head in self.notes]
        for notes in there:
            place = notes.place(fields["environment"])
            place.drift += (act,)
            place.seqs.append(entry.seq)
        if not there:
            self.elsewhere.append((fields["environment"], act))

    def _whole(self, entry: Entry, fields: Mapping[str, Any]) -> None:
        text = fields.get("comment") or fields.get("format") or fields.get("mode") or ""
        self.elsewhere.append((str(fields.get("environment", "")), self._act(entry, str(text))))


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


def _in_words(fields: Mapping[str, Any]) -> str:
    """What an outcome says: why it failed, what a person decided, or the evidence."""
    parts = [fields.get("decision"), fields.get("error"), fields.get("comment"), *fields.get("left", ())]
    return "; ".join(str(part) for part in parts if part) or str(fields.get("evidence", ""))


_NOTING: dict[Kind, Callable[[Watch, Entry, Mapping[str, Any]], None]] = {
    Kind.MIGRATION_CREATED: Watch._content,
    Kind.SELF_REVIEWED: Watch._content,
    Kind.CHECKED: Watch._evidence,
    Kind.REVIEWED: Watch._attested,
    Kind.APPROVED: Watch._attested,
    Kind.WITHDRAWN: Watch._attested,
    Kind.REVOKED: Watch._attested,
    Kind.GATE_WAIVED: Watch._waived,
    Kind.APPLY_INTENDED: Watch._intended,
    Kind.APPLY_APPLIED: Watch._ended,
    Kind.APPLY_FAILED: Watch._ended,
    Kind.APPLY_PARTIAL: Watch._ended,
    Kind.APPLY_RECOVERED: Watch._ended,
    Kind.APPLY_REFUSED: Watch._refused,
    Kind.TARGET_ADOPTED: Watch._adopted,
    Kind.TARGET_REPLACED: Watch._whole,
    Kind.DRIFT_FOUND: Watch._drift,
    Kind.DRIFT_ACCEPTED: Watch._drift,
    Kind.GUARD_INSTALLED: Watch._whole,
    Kind.GUARD_REMOVED: Watch._whole,
    Kind.LEDGER_EXPORTED: Watch._whole,
    Kind.KEY_REVOKED: Watch._whole,
}
