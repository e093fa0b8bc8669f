"""What an exported file is to whoever verifies it, and what comes out of that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from migrate_flow.core import canonical
from migrate_flow.core.audit import Change, Selection
from migrate_flow.services.survey import matcher
from migrate_flow.services.verify_ledger import Problem

if TYPE_CHECKING:
    from migrate_flow.core.chain import Head
    from migrate_flow.services.verify_chunk import Row

BUNDLE, JSONL = "bundle", "jsonl"
FIRST_GAPS = 1000  # a header names so many at most


@dataclass(frozen=True, slots=True)
class Claimed:
    """What the header says, which nobody signed. Hashes in hex. at: of the entry `head`. selection: the filters that
    are set, by name. unsigned: names of all fields that no entry can tell."""

    product: str
    project: str
    ledger: str
    genesis: str
    head: Head
    at: str
    entries: int
    first: int
    last: int
    left_out: int
    counts: Mapping[str, int]
    gaps: tuple[tuple[int, int], ...]
    selection: Mapping[str, str]
    unsigned: tuple[str, ...]

    @property
    def whole(self) -> bool:
        return self.left_out == 0


class Evidence(Protocol):
    """An exported file. A jsonl holds no more than entries: what only bundles have is empty there.

    form: ``jsonl`` or ``bundle``. damage: what is wrong in it, noted while it is read. own_script: whether a bundle's
    verifier is that of this version. own_readme: whether its README is what this version writes for that header; None
    where another version wrote it, or where there is none. Raises UsageError where it can't be read.
    """

    form: str
    where: str
    header: Claimed
    damage: list[Problem]
    own_script: bool
    own_readme: bool | None

    def rows(self) -> Iterator[Row]:
        """Its entries in the file's order, as columns of `verify_chunk`."""
        ...

    def inspect(self) -> int:
        """Hold every file of a bundle against SHA256SUMS. How many there are."""
        ...

    def skeleton(self) -> Iterator[tuple[int, str, str, str]]:
        """As `Exported.skeleton`."""
        ...

    def artifacts(self) -> Iterator[tuple[str, bytes]]: ...

    def artifact(self, digest: str) -> bytes | None:
        """Its bytes, if they are here."""
        ...

    def unlike(self, changes: Iterable[Change]) -> Iterator[str]:
        """In words, what of a bundle's changes.csv is not what this version writes of these."""
        ...

    def policies(self) -> list[tuple[int, str, bytes]]:
        """Position, the digits of the digest in the name, and the bytes, by position."""
        ...

    def signers(self) -> bytes: ...


@dataclass
class Found:
    """What the entries of a file turn out to be, in the order in which they come. at: of the last. project: as the
    ledger's first entry names it, empty where that is not here. strays: those that the selection does not ask for."""

    wanted: Callable[[Row], bool]
    count: int = 0
    first: int = 0
    last: int = 0
    left_out: int = 0
    head: str = ""
    at: str = ""
    genesis: str = ""
    project: str = ""
    kinds: Counter[str] = field(default_factory=Counter)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    disorder: list[Problem] = field(default_factory=list)
    strays: list[Problem] = field(default_factory=list)

    @classmethod
    def of(cls, header: Claimed) -> Found:
        return cls(matcher(Selection(**header.selection)))

    def row(self, row: Row) -> None:
        seq = row[0]
        if seq <= self.last:
            text = "it is there twice" if seq == self.last else f"it stands behind entry {self.last}: out of order"
            self.disorder.append(Problem(seq, text))
        elif seq > self.last + 1:
            self.gap(self.last + 1, seq - 1)
        self.count += 1
        self.first = min(self.first or seq, seq)
        if seq >= self.last:
            self.last, self.head, self.at = seq, row[2], str(row[9])
        if seq == 1:
            self.genesis, self.project = row[2], _project(row[3])
        if not self.wanted(row):
            self.strays.append(Problem(seq, "it does not fit the selection that the header names"))
        self.kinds[str(row[5])] += 1

    def gap(self, start: int, end: int) -> None:
        self.left_out += end - start + 1
        if len(self.gaps) < FIRST_GAPS:
            self.gaps.append((start, end))


@dataclass(frozen=True, slots=True)
class Judgement:
    """Problems by what they are about; an area without any holds. entries: those that are there.

    hashes: what is known of positions that were asked for, hex. files: in a bundle. artifacts: how many. unvouched:
    positions of policies whose own entries are not here. signers: person and fingerprint, as the signatures say.
    own_changes: whether changes.csv has the rows that the entries make; None where that is not known.
    """

    found: Found
    problems: Mapping[str, tuple[Problem, ...]]
    head: Head
    genesis: str
    ledger: str
    hashes: Mapping[int, str]
    files: int = 0
    artifacts: int = 0
    policies: int = 0
    unvouched: tuple[int, ...] = ()
    signers: tuple[tuple[str, str], ...] = ()
    own_changes: bool | None = None

    def holds(self, *areas: str) -> bool:
        return not any(self.problems.get(area) for area in areas)


@dataclass(frozen=True, slots=True)
class FileReport:
    """proved, not_proved: sentences for an auditor. signers: as in Judgement, where keys can't be held against a
    policy. faults: the areas that problems are about; where these are no others than ``authority`` (entries that do not
    count) and ``anchors``, the file itself holds together."""

    file: str
    form: str
    entries: int
    head: Head
    genesis: str
    ledger: str
    proved: tuple[str, ...]
    not_proved: tuple[str, ...]
    problems: tuple[Problem, ...]
    signers: tuple[tuple[str, str], ...] = ()
    faults: frozenset[str] = frozenset()

    @property
    def ok(self) -> bool:
        return not self.problems


def header_problems(said: Claimed, found: Found, head: Head, genesis: str, ledger: str) -> Iterator[Problem]:
    """What the header says against what is there. ledger, genesis: empty where the entries don't tell."""
    pairs: list[tuple[str, object, object]] = [
        ("entries", said.entries, found.count),
        ("first", said.first, found.first),
        ("last", said.last, found.last),
        ("left_out", said.left_out, found.left_out),
        ("gaps", said.gaps, tuple(found.gaps)),
        ("counts", dict(said.counts), dict(found.kinds)),
        ("as_of and head", str(said.head), str(head)),
        ("genesis", said.genesis, genesis or said.genesis),
        ("ledger", said.ledger, ledger or said.ledger),
        ("project", said.project, found.project or said.project),
        ("at", said.at, found.at if found.last == head.seq else said.at),
    ]
    for name, one, other in pairs:
        if one != other:
            yield Problem(0, f"the header says {name} {_short(one)}, the file holds {_short(other)}")
    if not said.whole and not said.selection:
        yield Problem(0, "the header names no filter, and yet entries are left out")
    yield from found.strays


def _project(statement: bytes) -> str:
    try:
        return str(canonical.loads(statement)["predicate"]["project"])
    except (ValueError, KeyError, TypeError):
        return ""  # whoever judges the statement says what is wrong with it


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 90 else text[:89] + "…"
