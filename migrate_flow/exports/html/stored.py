"""What the page needs of the entries themselves, in one pass: which SQL and which schemas they recorded, and how often
each person signed what."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from migrate_flow.core.entry import Entry, Kind
from migrate_flow.core.history import Applied
from migrate_flow.core.rehearsal import from_document as rehearsal_from
from migrate_flow.core.snapshot import Difference, Indeterminate, Snapshot, difference, from_document

if TYPE_CHECKING:
    from migrate_flow.core.audit import Change
    from migrate_flow.exports import Exported

# A snapshot is asked for as one attempt's after, as the next one's before, and by each environment of its migration.
_SNAPSHOTS, _PAIRS = 12, 64
LEFT_OUT = "left out by the selection"
_ENDED = frozenset({Kind.APPLY_APPLIED, Kind.APPLY_RECOVERED, Kind.APPLY_PARTIAL, Kind.APPLY_FAILED})


@dataclass(frozen=True, slots=True)
class Rendered:
    """SQL of one script. text: None where there is none, then note says why; else where it comes from."""

    dialect: str
    direction: str
    text: str | None
    digest: str = ""
    note: str = ""


@dataclass
class Stored:
    """sql: by position of the self-review. schemas: before and after, by attempt; None where no entry told. acts:
    kinds, by person."""

    export: Exported
    sql: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    schemas: dict[str, list[Mapping[str, Any] | None]] = field(default_factory=dict)
    acts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def __post_init__(self) -> None:
        self._snapshot = lru_cache(_SNAPSHOTS)(self._read_snapshot)
        self._between = lru_cache(_PAIRS)(self._difference)

    def changed(self, change: Change) -> tuple[Difference, ...] | str | None:
        """What the attempt did to the schema, or why that can't be told. None where nothing is recorded of it."""
        known = self.schemas.get(change.attempt, [None, None])
        told = known if change.outcome != Applied.OPEN else known[:1]
        if None in told and not self.export.header.selection.whole:
            return LEFT_OUT
        if not any(known):
            return None
        snapshots = []
        for fields in known:
            if fields is None or "snapshot" not in fields:
                return str((fields or {}).get("problem") or "the schema was not recorded")
            snapshots.append(str(fields["snapshot"]))
        before, after = snapshots
        return () if before == after else self._between(before, after)

    def rendered(self, seq: int, change: Change) -> Iterator[Rendered]:
        """The SQL of the script that was self-reviewed at this position, else what its rehearsal sent. Where the
        selection leaves the self-review out, the change itself names what was rendered."""
        left_out = "" if seq in self.sql else LEFT_OUT
        rendered = _named(change.sql_digest) if left_out else self.sql[seq]
        if left_out and not rendered:
            yield Rendered("", "", None, "", LEFT_OUT)
        for dialect, texts in sorted(rendered.items()):
            problem = str(texts.get("problem") or left_out)
            for direction in ("upgrade", "downgrade"):
                digest = str(texts.get(direction) or "")
                if digest:
                    content = self._artifact(digest)
                    lost = "" if content is not None else "the ledger has lost it"
                    text = content.decode("utf-8", "replace") if content is not None else None
                    yield Rendered(dialect, direction, text, digest, lost)
                else:
                    yield self._sent(dialect, direction, problem or "it was not rendered", change)

    def _sent(self, dialect: str, direction: str, why: str, change: Change) -> Rendered:
        for check in reversed(change.rehearsals):
            content = self._artifact(check.report)
            try:
                rehearsal = rehearsal_from(json.loads(content or b"")["rehearsal"])
            except (KeyError, TypeError, ValueError, AttributeError):
                continue  # whoever signed it, signed something else
            said = (rehearsal.sent or {}).get(direction, ())
            if rehearsal.dialect == dialect and said:
                text = "\n\n".join(f"{one.text.rstrip().rstrip(';')};" for one in said) + "\n"
                note = f"as the rehearsal on {rehearsal.server} sent it, from entry {check.seq}; {why}"
                return Rendered(dialect, direction, text, check.report, note)
        return Rendered(dialect, direction, None, "", why)

    def _artifact(self, digest: str) -> bytes | None:
        return self.export.artifact(digest.removeprefix("sha256:")) if digest else None

    def _difference(self, before: str, after: str) -> tuple[Difference, ...] | str:
        one, other = self._snapshot(before), self._snapshot(after)
        if one is None or other is None:
            return "the ledger has lost the recorded snapshot"
        found = difference(one, other)
        return found.reason if isinstance(found, Indeterminate) else found

    def _read_snapshot(self, digest: str) -> Snapshot | None:
        try:
            return from_document(json.loads(self._artifact(digest) or b""))
        except ValueError:
            return None


def read(export: Exported, reviews: Collection[int], attempts: Collection[str]) -> Stored:
    """reviews: positions of self-reviews, attempts: their ids; of the changes that are shown."""
    stored = Stored(export)
    for entry in export.entries():
        stored.acts[entry.actor][entry.kind] += 1
        if entry.seq in reviews:
            stored.sql[entry.seq] = {
                name: texts for name, texts in _mapping(entry, "sql").items() if isinstance(texts, dict)
            }
        elif entry.kind == Kind.APPLY_INTENDED or entry.kind in _ENDED:
            _keep_schema(stored, entry, attempts)
    return stored


def _named(digests: str) -> dict[str, dict[str, str]]:
    """``postgresql upgrade sha256:…; postgresql downgrade sha256:…``, by dialect and direction."""
    found: dict[str, dict[str, str]] = {}
    for one in digests.split("; "):
        match one.split(" "):
            case [dialect, ("upgrade" | "downgrade") as direction, digest]:
                found.setdefault(dialect, {})[direction] = digest
    return found


def _keep_schema(stored: Stored, entry: Entry, attempts: Collection[str]) -> None:
    attempt, schema = entry.predicate.get("attempt"), _mapping(entry, "schema")
    if isinstance(attempt, str) and attempt in attempts:
        place, end = stored.schemas.setdefault(attempt, [None, None]), entry.kind in _ENDED
        if schema or place[end] is None:
            place[end] = {name: schema[name] for name in ("snapshot", "problem") if name in schema}


def _mapping(entry: Entry, name: str) -> Mapping[str, Any]:
    """Of an entry that does not count, a field may hold anything."""
    value = entry.predicate.get(name)
    return value if isinstance(value, dict) else {}
