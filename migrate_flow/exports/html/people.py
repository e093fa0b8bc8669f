"""Who holds which keys and roles, what they signed, and how duties are parted among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from migrate_flow.core.entry import Kind
from migrate_flow.core.fingerprint import fingerprint
from migrate_flow.exports.html.tally import OF_PEOPLE, Tally

if TYPE_CHECKING:
    from migrate_flow.exports import Exported

# Columns of the table, with the kinds that they count.
COLUMNS: tuple[tuple[str, frozenset[str]], ...] = (
    ("created", frozenset({Kind.MIGRATION_CREATED})),
    ("self-reviewed", frozenset({Kind.SELF_REVIEWED})),
    ("reviewed", frozenset({Kind.REVIEWED})),
    ("approved", frozenset({Kind.APPROVED})),
    ("applied", frozenset({Kind.APPLY_APPLIED})),
    ("waived a gate", frozenset({Kind.GATE_WAIVED})),
)
_COUNTED = frozenset().union(*(kinds for _, kinds in COLUMNS))


@dataclass(frozen=True, slots=True)
class Key:
    """fingerprint: ``SHA256:…``, or the key itself where that is none. valid, revoked: positions, 0 for never."""

    fingerprint: str
    valid: int
    revoked: int


@dataclass(frozen=True, slots=True)
class Person:
    """counts: by column, then everything else."""

    name: str
    roles: tuple[str, ...]
    keys: tuple[Key, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Duties:
    """Of one author: how many migrations they wrote or vouched for, and who did the rest, as name and count. same: in
    how many a control of people does not hold, in the order of `OF_PEOPLE`."""

    author: str
    written: int
    reviewed: tuple[tuple[str, int], ...]
    approved: tuple[tuple[str, int], ...]
    applied: tuple[tuple[str, int], ...]
    same: tuple[int, ...]


def people(export: Exported, tally: Tally, acts: Mapping[str, Counter[str]]) -> Iterator[Person]:
    """Everybody who has a key, or signed something, by name. Roles: of the newest policy, and those they acted in."""
    known = export.people()
    newest: dict[str, Any] = {}
    for _, _, document in export.policies():
        newest = document.get("people", {})
    for name in sorted({*known, *acts}):
        done = acts.get(name, Counter())
        counts = [sum(done[kind] for kind in kinds) for _, kinds in COLUMNS]
        rest = sum(count for kind, count in done.items() if kind not in _COUNTED)
        roles = {*newest.get(name, {}).get("roles", ()), *tally.roles.get(name, ())}
        keys = tuple(Key(_named(key), valid, revoked) for key, valid, revoked in known.get(name, ()))
        yield Person(name, tuple(sorted(roles)), keys, (*counts, rest))


def duties(tally: Tally) -> Iterator[Duties]:
    for author, written in sorted(tally.written.items()):
        done = {duty: _most_first(counts) for duty, counts in tally.duties[author].items()}
        reviewed, approved, applied = (done.get(duty, ()) for duty in ("reviewed", "approved", "applied"))
        same = tuple(tally.same[name][author] for name in OF_PEOPLE)
        yield Duties(author, written, reviewed, approved, applied, same)


def _most_first(counts: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _named(key: str) -> str:
    try:
        return fingerprint(key)
    except (ValueError, IndexError):
        return key
