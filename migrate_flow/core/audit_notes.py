"""What has to be noted while the fold goes over the ledger, so that a row of evidence can be told afterwards.

The fold alone judges what counts. Noted is what it does not keep: what each entry said, and how things stood at the
position of each intent, for the controls go by position and by the policy in force there, never by a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from sys import intern
from typing import TYPE_CHECKING, Any

from migrate_flow.core.audit_outcomes import Outcomes
from migrate_flow.core.audit_people import People
from migrate_flow.core.audit_tries import Content, Found, Notes, Try, content_of, in_words, kept_once, says_the_same
from migrate_flow.core.entry import Entry, Kind, Subject, parse_time
from migrate_flow.core.evidence import evidence_of
from migrate_flow.core.history import Applied, RevisionRecord
from migrate_flow.core.policy import EnvironmentRules, Level
from migrate_flow.core.standing import progress

if TYPE_CHECKING:
    from migrate_flow.core.audit import Act
    from migrate_flow.core.lifecycle import KeyOf

_MALFORMED = (KeyError, TypeError, ValueError, AttributeError)
# Of a try that another one goes on with.
_ASKED = (
    "policy", "asked", "reached", "upstream", "after", "reviews", "approvals", "expired", "authors", "evidence",
    "dialect",
)  # fmt: skip
_OUTCOMES: dict[str, str] = {
    Kind.APPLY_APPLIED: Applied.APPLIED.value,
    Kind.APPLY_FAILED: Applied.FAILED.value,
    Kind.APPLY_PARTIAL: Applied.PARTIAL.value,
}


class Watch(Outcomes):
    """Takes in one entry after the other. elsewhere: what concerns no revision, by environment. replaced: by which act
    a database went out of use. uncounted: position of each entry that does not count, with the reason."""

    def __init__(self, key_of: KeyOf) -> None:
        super().__init__(key_of)
        self.people = People(self.history)
        self.notes: dict[str, Notes] = {}
        self.elsewhere: list[tuple[str, Act]] = []
        self.replaced: dict[str, Act] = {}
        self._shared: dict[frozenset[str], frozenset[str]] = {}
        self._versions: dict[tuple[tuple[str, str], ...], Mapping[str, str]] = {}

    def take(self, entry: Entry, key: str = "") -> None:
        """As `Outcomes.take`."""
        super().take(entry, key)
        noting = _NOTING.get(entry.kind)
        if noting is None:
            return
        try:
            self._keep_position(entry)
            noting(self, entry, entry.predicate)
        except _MALFORMED as error:
            # Mostly the fold has its word for an entry like that; the auditor sees it in any case.
            self._flaw = self._flaw or f"malformed: {type(error).__name__} {error}"
            self.elsewhere.append((str(entry.environment or ""), self._act(entry)))

    @property
    def uncounted(self) -> dict[int, str]:
        found = {said.seq: said.flaw for said in self.history.flawed}
        return found | {act.seq: act.flaw for _environment, act in self.elsewhere if act.flaw}

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
            made = content_of(entry, fields)
            if notes.contents and notes.contents[-1].manifest == made.manifest:
                made = kept_once(made, notes.contents[-1])
            notes.contents.append(made)
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
            _kept(fields["direction"]),
            fields["attempt"],
            _kept(fields["target"]),
            self.history.policy,
            schema_before=fields.get("schema", {}).get("fingerprint", ""),
        )
        resumed = (one for one in reversed(place.tries) if one.counts and one.attempt == fields.get("resumes"))
        earlier = next(resumed, None)
        if earlier is not None and made.counts:
            # It goes on: what was asked of it was asked before its first statement.
            for name in _ASKED:
                setattr(made, name, getattr(earlier, name))
            made.resumes, made.begun = True, (*earlier.begun, earlier.intent)
        elif made.up:
            self._stood(made, entry)
        target = self.history.environment(fields["environment"]).targets.get(made.target)
        attempt = target.attempt if target is not None else None
        if attempt is not None and attempt.seq == entry.seq and attempt.before is not None and attempt.before.stands:
            made.stood = attempt.before.stored
        place.tries += (made,)

    def _known_content(self, entry: Entry, fields: Mapping[str, Any]) -> Content:
        """Most intents say of the bytes what was said before."""
        contents, manifest = self.notes[fields["revision"]].contents, fields["manifest"]
        known = next((one for one in reversed(contents) if one.manifest == manifest), None)
        if known is not None and says_the_same(known, entry, fields):
            return known
        made = content_of(entry, fields)
        versions = tuple(sorted(made.versions.items()))
        made = replace(made, versions=self._versions.setdefault(versions, made.versions))
        if known is None:
            return made
        made = replace(made, files=known.files)
        return known if replace(made, seq=known.seq, git=known.git, sql=known.sql) == known else made

    def _stood(self, made: Try, entry: Entry) -> None:
        """How it stood at this position. What expires is judged by the time that the intent says."""
        revision, environment = entry.predicate["revision"], entry.predicate["environment"]
        history, rules = self.history, made.policy.environments.get(environment)
        if rules is None:
            return
        known = history.environment(environment).targets.get(made.target)
        if known is not None and rules.requires is Level.APPROVED:
            made.after = known.rolled_back.get(revision, 0)
        record, now = history.record(revision), parse_time(entry.at)
        found = progress(record, made.content.manifest, made.policy, now=now, approvals_after=made.after)
        made.asked, made.reached = rules.requires, found.state.reaches(rules.requires)
        made.reviews, made.approvals = tuple(found.tally.reviews.values()), tuple(found.tally.approvals.values())
        made.expired = tuple((said, why) for said, why in found.tally.uncounted if why.startswith("expired"))
        made.authors = self._shared.setdefault(found.tally.authors, found.tally.authors)
        made.dialect = rules.dialect
        made.evidence = self.notes[revision].evidence_of(made.content.manifest, record)
        # An intent that counts was judged to have stood upstream.
        made.upstream = made.counts or self._upstream(rules, revision) if rules.upstream else None

    def _upstream(self, rules: EnvironmentRules, revision: str) -> bool:
        latest = (self.history.environment(name).latest(revision) for name in rules.upstream)
        return all(found is not None and found.state in (Applied.APPLIED, Applied.GRANDFATHERED) for found in latest)

    def _ended(self, entry: Entry, fields: Mapping[str, Any]) -> None:
        place = self.notes[fields["revision"]].place(fields["environment"])
        outcome = _OUTCOMES.get(entry.kind) or str(fields["outcome"])
        act = self._act(entry, in_words(fields))
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
        act, environment = self._act(entry, str(fields.get("comment") or "")), fields["environment"]
        if self._flaw:
            self.elsewhere.append((str(environment), act))
            for item in fields["revisions"]:
                if item["revision"] in self.notes:
                    place = self.notes[item["revision"]].place(environment)
                    place.uncounted += (act,)
                    place.seqs.append(entry.seq)
            return
        for item in fields["revisions"]:
            notes = self.notes.setdefault(item["revision"], Notes(item["revision"], entry.seq))
            place, state = notes.place(environment), Applied(item["state"])
            files = tuple(Subject(file["path"], file["sha256"]) for file in item["files"])
            content = replace(content_of(entry, item), files=files)
            place.seqs.append(entry.seq)
            place.adopted += (Found(state, act, content, fields["target"]),)
        for revision in fields.get("gone", ()):
            if revision in self.notes:
                place = self.notes[revision].place(environment)
                place.seqs.append(entry.seq)
                place.gone += (act,)

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

    def _replaced(self, entry: Entry, fields: Mapping[str, Any]) -> None:
        self._whole(entry, fields)
        if not self._flaw:
            act = self.elsewhere[-1][1]
            for uuid in self.history.environment(fields["environment"]).retired:
                self.replaced.setdefault(uuid, act)

    def _whole(self, entry: Entry, fields: Mapping[str, Any]) -> None:
        text = fields.get("comment") or fields.get("format") or fields.get("mode") or ""
        self.elsewhere.append((str(fields.get("environment", "")), self._act(entry, str(text))))


def _kept(text: str) -> str:
    """The one that was said before."""
    return intern(text) if type(text) is str else text  # a keyholder may have signed anything


_NOTING: dict[str, Callable[[Watch, Entry, Mapping[str, Any]], None]] = {
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
    Kind.TARGET_REPLACED: Watch._replaced,
    Kind.DRIFT_FOUND: Watch._drift,
    Kind.DRIFT_ACCEPTED: Watch._drift,
    Kind.GUARD_INSTALLED: Watch._whole,
    Kind.GUARD_REMOVED: Watch._whole,
    Kind.LEDGER_EXPORTED: Watch._whole,
    Kind.KEY_REVOKED: Watch._whole,
}
