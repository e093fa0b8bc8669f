"""One look at every row of a ledger as it is stored, before anything is exported: what is asked for, what that leaves
out, and who may sign.

Nothing but the policies, 32 bytes an entry and a few counts is kept, so that a ledger of any length can be exported.
What is stored is written as it is: `ledger verify` and `verify` judge it.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from migrate_flow.core import canonical
from migrate_flow.core.chain import ORIGIN, Head
from migrate_flow.core.entry import Entry, Kind, format_time, parse_time, project
from migrate_flow.core.history import History, PolicyVersion, Revocation
from migrate_flow.core.lifecycle import add
from migrate_flow.core.nearest import meant
from migrate_flow.core.policy_entries import GOVERNING
from migrate_flow.errors import LedgerError, UsageError
from migrate_flow.services.verify_chunk import COLUMNS

if TYPE_CHECKING:
    from migrate_flow.core.audit import Selection
    from migrate_flow.services.ports import Ledger

GAPS_SHOWN = 1000
SHOWN = 50  # notices of one sort
_CHARTER = GOVERNING | {Kind.LEDGER_OPENED}
_MOVING = ("apply.", "target.")  # kinds after which a version table may be another
_TELLING = frozenset({Kind.APPLY_APPLIED, Kind.APPLY_FAILED, Kind.APPLY_RECOVERED, Kind.TARGET_ADOPTED})
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError)

_RARE = frozenset(
    {
        Kind.APPLY_REFUSED, Kind.TARGET_ADOPTED, Kind.TARGET_REPLACED, Kind.DRIFT_FOUND, Kind.DRIFT_ACCEPTED,
        Kind.GUARD_INSTALLED, Kind.GUARD_REMOVED,
    }
)  # fmt: skip

Row = Sequence[Any]


@dataclass
class Survey:
    """history: folded from the entries that govern alone. as_of: where the export ends, and at its entry's time.
    selection: with whole names. gaps: runs of positions that are left out, the first so many. moved: environments of
    which entries behind as_of speak. known: environments of which some entry says where its version table stands.
    rare: position, kind, environment and actor of what concerns whole databases and no migration, the newest so many,
    of the selected environment where there is one;
    rarities: how many in all. exported: positions and people of the newest export, and how many there were. revoked,
    flawed: keys that were revoked up to as_of, and why entries that govern do not count."""

    selection: Selection
    history: History
    as_of: Head
    at: str = ""
    first: int = 0
    last: int = 0
    entries: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    moved: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)
    rare: deque[tuple[int, str, str, str]] = field(default_factory=lambda: deque(maxlen=SHOWN))
    rarities: int = 0
    exported: tuple[int, str, int] = (0, "", 0)
    revoked: tuple[Revocation, ...] = ()
    flawed: tuple[tuple[int, str, str, str], ...] = ()

    @property
    def policies(self) -> list[PolicyVersion]:
        return [version for version in self.history.policies if version.seq <= self.as_of.seq]


def survey(
    ledger: Ledger, key_of: Callable[[str], str], asked: Selection, as_of: int = 0, *, exact: bool = False
) -> Survey:
    """as_of: 0 for all of it. exact: the revision is a whole id, else it may be the beginning of one. Raises UsageError
    for what the selection names and the ledger does not know, LedgerError for rows that do not follow each other."""
    chosen = _understood(asked)
    found = Survey(chosen, History(lean=True), Head(0, ORIGIN))
    try:
        names = _read(ledger, key_of, found, as_of, exact=exact)
    except (TypeError, AttributeError, ValueError) as error:
        raise broken(ledger, f"a row is not stored as it must be: {error}") from error
    if as_of > found.as_of.seq:
        raise UsageError(
            f"the ledger ends with entry {found.as_of.seq}", hint=f"--as-of {found.as_of.seq}", where="--as-of"
        )
    if len(names.revisions) > 1 and chosen.revision in names.revisions:
        return survey(ledger, key_of, asked, as_of, exact=True)  # the beginning of others, too
    _require_known(found, names)
    return found


@dataclass(slots=True)
class _Names:
    """What a selection may name. revisions: those alone that the asked one may mean."""

    people: set[str] = field(default_factory=set)
    environments: set[str] = field(default_factory=set)
    revisions: set[str] = field(default_factory=set)


def _read(ledger: Ledger, key_of: Callable[[str], str], found: Survey, as_of: int, *, exact: bool) -> _Names:
    """One loop, and no more in it than there must be: it sees every row."""
    chosen, history, names = found.selection, found.history, _Names()
    wanted, whole = matcher(chosen, exact=exact), chosen.whole
    hashes, counts = history.hashes, found.counts
    seq, prev, gap, latest, last = 0, ORIGIN, 0, "", 0
    with closing(rows_of(ledger)) as rows:
        for expected, row in enumerate(rows, start=1):
            seq, before, stored, signed, signature, kind, revision, name, actor, at = row
            if type(signed) is not bytes or type(signature) is not str:
                raise broken(ledger, f"entry {expected} is not stored as bytes and text")
            if seq != expected or before != prev:
                raise broken(ledger, f"entry {expected} is missing, or does not follow the one before")
            if as_of and seq == as_of + 1:
                _settle(found)
            if kind in _CHARTER:
                _govern(history, row, key_of, Head(seq - 1, prev))
            if not history.policies:
                raise broken(ledger, "its first entry does not open it")
            if history.seq != seq:
                hashes[seq] = stored
            prev = stored
            if at > latest and actor in history.policy.people:
                latest = at
            if as_of and seq > as_of:
                if kind.startswith(_MOVING):
                    found.moved.add(name)
                continue
            last, found.at = seq, at
            names.people.add(actor)
            if name:
                names.environments.add(name)
                if kind in _TELLING:
                    found.known.add(name)
            if kind == Kind.LEDGER_EXPORTED:
                found.exported = seq, actor, found.exported[2] + 1
            elif not revision and kind in _RARE and (not chosen.environment or name == chosen.environment):
                found.rare.append((seq, kind, name or "", actor))
                found.rarities += 1
            if chosen.revision:
                names.revisions.update(_named(row, chosen.revision, exact=exact))
            if whole or wanted(row):
                counts[kind] += 1
                gap = gap and _note_gap(found, gap, seq - 1)
                found.first, found.last = found.first or seq, seq
            else:
                gap = gap or seq
    if gap:
        _note_gap(found, gap, last)
    if last == seq:
        _settle(found)
    history.seq, history.hash = seq, prev
    with suppress(ValueError):  # whoever signed it, signed no time
        history.last_at = parse_time(latest) if latest else None
    found.as_of, found.entries = Head(last, hashes.get(last) or ORIGIN), sum(counts.values())
    return names


def matcher(selection: Selection, *, exact: bool = True) -> Callable[[Row], bool]:
    """Whether a row is asked for. exact: as in `survey`."""
    if selection.whole:
        return lambda _row: True

    def wanted(row: Row) -> bool:
        _seq, _prev, _hash, _statement, _signature, kind, _revision, environment, actor, at = row
        return (
            (not selection.since or at >= selection.since)
            and (not selection.until or at < selection.until)
            and (not selection.environment or environment == selection.environment)
            and (not selection.person or actor == selection.person)
            and (not selection.kind or kind.startswith(selection.kind))
            and (not selection.revision or bool(_named(row, selection.revision, exact=exact)))
        )

    return wanted


def entry_of(row: Row) -> Entry:
    """As it is stored, unchecked."""
    entry = Entry.__new__(Entry)
    vars(entry).update(zip(COLUMNS, row, strict=True))
    return entry


def broken(ledger: Ledger, problem: str) -> LedgerError:
    return LedgerError(
        f"the ledger can't be trusted: {problem}",
        hint="migrate-flow ledger verify; restore a backup",
        where=ledger.describe(),
    )


def rows_of(ledger: Ledger) -> Generator[Row]:
    """As they are stored; can be closed before the end."""
    yield from ledger.raw_rows()


def _govern(history: History, row: Row, key_of: Callable[[str], str], after: Head) -> None:
    """Take in what says who may do what."""
    seq, prev, stored, statement, signature = row[:5]
    history.seq, history.hash = after.seq, after.hash
    with suppress(*_UNREADABLE):  # it changes nothing then, and `ledger verify` has a word for it
        add(history, project(seq, prev, statement, signature, stored=stored), key_of)


def _settle(found: Survey) -> None:
    """What governs as it stands at as_of: what comes behind that must not change a byte."""
    found.revoked = tuple(found.history.revoked.values())
    found.flawed = tuple((said.seq, said.kind, said.actor, said.flaw) for said in found.history.flawed)


def _named(row: Row, text: str, *, exact: bool) -> set[str]:
    """Revisions of that id, or whose id begins so, of which the entry speaks. An adoption speaks of many."""
    named = [row[6]]
    if row[5] == Kind.TARGET_ADOPTED:
        try:
            named = [item["revision"] for item in canonical.loads(bytes(row[3]))["predicate"]["revisions"]]
        except _UNREADABLE:
            return set()
    return {one for one in named if one == text or (not exact and isinstance(one, str) and one.startswith(text))}


def _note_gap(found: Survey, start: int, end: int) -> int:
    """No gap is open then."""
    if len(found.gaps) < GAPS_SHOWN:
        found.gaps.append((start, end))
    return 0


def _understood(asked: Selection) -> Selection:
    """Times as entries hold them. Raises UsageError."""
    since, until = _time(asked.since, "--since"), _time(asked.until, "--until")
    if since and until and since >= until:
        raise UsageError("--since is not before --until", hint="turn them round", where="--since")
    if asked.kind and not any(kind.startswith(asked.kind) for kind in Kind):
        raise UsageError(
            f"there is no kind of entry {asked.kind!r}", hint=f"one of: {', '.join(sorted(Kind))}", where="--kind"
        )
    if asked.revision and len(asked.revision) < 4:
        raise UsageError(f"{asked.revision!r} is too short", hint="4 characters or more of its id", where="--revision")
    return replace(asked, since=since, until=until, person=asked.person.strip().lower())


def _time(text: str, option: str) -> str:
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text)
        return format_time(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):  # by its zone, it may lie before the first year or after the last
        raise UsageError(
            f"{text!r} is no time", hint="2026-11-22, or 2026-11-22T13:20:00Z (UTC, unless it says otherwise)",
            where=option,
        ) from None  # fmt: skip


def _require_known(found: Survey, names: _Names) -> None:
    """Raises UsageError for a name that the ledger never heard of: an empty export would look like an answer."""
    chosen, people, environments, revisions = found.selection, names.people, names.environments, names.revisions
    for version in found.policies:
        people |= version.policy.people.keys()
        environments |= version.policy.environments.keys()
    if chosen.person and chosen.person not in people:
        raise UsageError(
            f"the ledger never heard of {chosen.person}{meant(chosen.person, people)}",
            hint=f"one of: {', '.join(sorted(people))}",
            where="--person",
        )
    if chosen.environment and chosen.environment not in environments:
        raise UsageError(
            f"there is no environment {chosen.environment!r}{meant(chosen.environment, environments)}",
            hint=f"one of: {', '.join(sorted(environments))}",
            where="--env",
        )
    if chosen.revision:
        if len(revisions) != 1:
            means = ", ".join(sorted(revisions)[:5]) or "nothing that the ledger knows"
            raise UsageError(f"{chosen.revision!r} means {means}", hint="migrate-flow status", where="--revision")
        found.selection = replace(chosen, revision=next(iter(revisions)))


def digests(row: Row) -> tuple[int, str, str, str]:
    """Position, sha256 of the statement and of the signature, and the chain's hash, in hex."""
    seq, _prev, stored, statement, signature = row[:5]
    return seq, hashlib.sha256(statement).hexdigest(), hashlib.sha256(signature.encode()).hexdigest(), stored


def described(selection: Selection) -> Mapping[str, str]:
    """What is not empty, for the record."""
    names = ("since", "until", "environment", "person", "revision", "kind")
    return {name: getattr(selection, name) for name in names if getattr(selection, name)}
