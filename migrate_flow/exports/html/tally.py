"""The changes read through once: what the controls came to, the board, the exceptions, and what else needs a count."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from migrate_flow.core.audit import CONTROLS, Act, Change, Header, Selection
from migrate_flow.core.entry import Kind
from migrate_flow.core.history import Applied
from migrate_flow.exports.html.sample import Candidate
from migrate_flow.exports.html.timeline import Event

if TYPE_CHECKING:
    from migrate_flow.exports import Exported

REVIEWS = "reviews"
OF_PEOPLE = ("distinct_people", "applier_distinct")  # controls that are told of each author
_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Migration:
    """A revision with its changes, one for each environment. anchor: of its section on the page."""

    anchor: str
    revision: str
    changes: tuple[Change, ...]


def migrations(export: Exported) -> Iterator[Migration]:
    for number, (revision, changes) in enumerate(groupby(export.changes(), attrgetter("revision")), start=1):
        yield Migration(f"m{number}", revision, tuple(changes))


@dataclass
class Control:
    """How often a control holds, does not, or does not concern a change. unknown: it could not be looked at.

    broken: where it does not hold, as anchor and words, the first few."""

    name: str
    asks: str
    holds: int = 0
    fails: int = 0
    aside: int = 0
    unknown: int = 0
    broken: list[tuple[str, str]] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """``holds``, ``exceptions``, ``unknown`` or ``nothing``."""
        if self.fails:
            return "exceptions"
        if self.unknown:
            return "unknown"
        return "holds" if self.holds else "nothing"

    def count(self, answer: bool | None, anchor: str = "", words: str = "") -> None:
        """answer: None where it does not concern this one."""
        if answer is None:
            self.aside += 1
        elif answer:
            self.holds += 1
        else:
            self.fails += 1
            if len(self.broken) < _EXAMPLES:
                self.broken.append((anchor, words))


@dataclass(frozen=True, slots=True)
class Cell:
    """A migration in one environment, on the board."""

    outcome: str
    at: str
    exceptions: int


@dataclass(frozen=True, slots=True)
class Row:
    """exceptions: how many, where it was tried nowhere. cells: by environment."""

    anchor: str
    revision: str
    message: str
    state: str
    exceptions: int
    cells: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class Exceptional:
    """A migration with exceptions. rank: waivers and what was applied past the flow come first, then controls that do
    not hold, then the rest. broken: titles of such controls, and exceptions, in words: with the environments that they
    are said of."""

    rank: int
    anchor: str
    revision: str
    message: str
    broken: tuple[tuple[str, tuple[str, ...]], ...]
    exceptions: tuple[tuple[str, tuple[str, ...]], ...]


# What is said of the export as a whole, in the words of a control.
RECONCILED = ("Reconciled", "The version table of each database says what the ledger says.")


def _controls() -> dict[str, Control]:
    """Of changes by field, as the row answers them; nothing is judged here."""
    return {name: Control(title, meaning) for name, title, meaning in CONTROLS} | {"reconciled": Control(*RECONCILED)}


@dataclass
class Tally:
    """environments: known ones. duties: by author, then by duty, how many migrations somebody did it for. same: by
    control of people, then by author, migrations where it does not hold. sorts: of exceptions, in how many changes.
    adopted: changes that were found in a database, and so were not applied by the flow."""

    environments: tuple[str, ...]
    selection: Selection
    controls: dict[str, Control] = field(default_factory=_controls)
    rows: list[Row] = field(default_factory=list)
    exceptional: list[Exceptional] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    duties: dict[str, dict[str, Counter[str]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(Counter))
    )
    written: Counter[str] = field(default_factory=Counter)
    same: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in OF_PEOPLE})
    roles: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    anchors: dict[str, str] = field(default_factory=dict)
    reviews: set[int] = field(default_factory=set)
    attempts: set[str] = field(default_factory=set)
    outcomes: Counter[str] = field(default_factory=Counter)
    sorts: Counter[str] = field(default_factory=Counter)
    adopted: int = 0

    @property
    def broken(self) -> int:
        return sum(control.verdict == "exceptions" for control in self.controls.values())

    @property
    def shown(self) -> tuple[str, ...]:
        """The environments that were selected: known ones in their order, then those that changes alone still name."""
        if self.selection.environment:
            return (self.selection.environment,)
        named = (name for row in self.rows for name in row.cells)
        return tuple(dict.fromkeys((*self.environments, *named)))

    @property
    def complete(self) -> bool:
        """Whether a migration has all its changes here, but for those in environments that are not shown."""
        asked = self.selection
        return not (asked.since or asked.until or asked.person or asked.kind)

    def take(self, migration: Migration) -> None:
        self.anchors[migration.revision] = migration.anchor
        newest = migration.changes[-1]
        cells = {one.environment: Cell(one.outcome, one.applied_at, len(one.exceptions)) for one in migration.changes}
        nowhere = cells.pop("", None)
        odd = nowhere.exceptions if nowhere else 0
        self.rows.append(Row(migration.anchor, migration.revision, newest.message, newest.state, odd, cells))
        for change in migration.changes:
            self._take_change(migration.anchor, change)
        if found := tuple(
            alike(
                (text, change.environment)
                for change in sorted(migration.changes, key=_rank)
                for text in change.exceptions
            )
        ):
            rank = min(_rank(change) for change in migration.changes if change.exceptions)
            broken = tuple(
                alike(
                    (self.controls[name].name, change.environment)
                    for change in migration.changes
                    for name, answer in answers(change)
                    if answer is False
                )
            )
            self.exceptional.append(
                Exceptional(rank, migration.anchor, migration.revision, newest.message, broken, found)
            )
        self._take_duties(migration)
        self.events += _events(migration)

    def _take_change(self, anchor: str, change: Change) -> None:
        where = f"{change.revision} in {change.environment}" if change.environment else change.revision
        for name, answer in answers(change):
            self.controls[name].count(answer, anchor, where)
        self.outcomes[change.outcome or "not applied"] += 1
        self.sorts.update(_sorts(change))
        if change.self_reviewer:
            self.reviews.add(change.self_reviewer.seq)
        if change.attempt:
            self.attempts.add(change.attempt)
        if adopted(change):
            self.adopted += 1
        elif change.applied_at:
            self.candidates.append(_candidate(anchor, change))

    def _take_duties(self, migration: Migration) -> None:
        authors = {act.person for change in migration.changes for act in (change.author, change.self_reviewer) if act}
        authors.update(person for change in migration.changes for person in change.contributors)
        done = {(duty, act.person) for change in migration.changes for duty, act in _duties(change) if not act.flaw}
        for person in authors:
            self.written[person] += 1
            for name, counts in self.same.items():
                counts[person] += any(getattr(change, name) is False for change in migration.changes)
            for duty, other in done:
                self.duties[person][duty][other] += 1
        for change in migration.changes:
            for _, act in (*_duties(change), ("", change.author), ("", change.self_reviewer)):
                if act:
                    self.roles[act.person].update(act.roles)

    def reconcile(self, header: Header) -> None:
        control = self.controls["reconciled"]
        for one in header.reconciliation:
            if one.agrees is None:
                control.unknown += 1
            else:
                control.count(one.agrees, "export", one.environment)


def read(export: Exported) -> Tally:
    tally = Tally(export.environments, export.header.selection)
    for migration in migrations(export):
        tally.take(migration)
    tally.reconcile(export.header)
    tally.exceptional.sort(key=attrgetter("rank"))
    return tally


def answers(change: Change) -> Iterator[tuple[str, bool | None]]:
    """To each control, by field."""
    for name, _title, _meaning in CONTROLS:
        yield name, getattr(change, name)


def adopted(change: Change) -> bool:
    return change.applier is not None and change.applier.kind == Kind.TARGET_ADOPTED


def alike(said: Iterable[tuple[str, str]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each text once, with the environments that it is said of."""
    found: dict[str, list[str]] = {}
    for text, environment in said:
        found.setdefault(text, []).append(environment)
    for text, environments in found.items():
        yield text, tuple(filter(None, environments))


def _sorts(change: Change) -> Iterator[str]:
    """What the exceptions of a change are about; each once."""
    for word, hit in (
        ("a gate waived", change.waivers),
        ("out of band", change.outcome == Applied.OUT_OF_BAND),
        ("a control does not hold", _fails(change)),
        ("a signature that does not count", change.uncounted),
        ("refused", change.refused),
        ("failed", change.failed),
        ("rolled back", change.rollbacks),
    ):
        if hit and change.exceptions:
            yield word


def _fails(change: Change) -> bool:
    return any(answer is False for _, answer in answers(change))


def _rank(change: Change) -> int:
    if change.waivers or change.outcome == Applied.OUT_OF_BAND:
        return 0
    return 1 if _fails(change) else 2


def _duties(change: Change) -> Iterator[tuple[str, Act]]:
    for act in change.reviewers:
        yield "reviewed", act
    for act in change.approvers:
        yield "approved", act
    if change.applier:
        yield "applied", change.applier


def _candidate(anchor: str, change: Change) -> Candidate:
    people = [("written by", act) for act in (change.author,) if act]
    people += [(f"{duty} by", act) for duty, act in _duties(change) if not act.flaw]
    named = tuple(dict.fromkeys((word, act.person) for word, act in people))
    return Candidate(
        change.revision, change.environment, anchor, change.message, change.applied_at, named, change.entries
    )


def _events(migration: Migration) -> Iterator[Event]:
    said = {(act.seq, act.at, duty) for change in migration.changes for duty, act in _duties(change)}
    for _, at, duty in sorted(said):
        if duty != "applied":
            yield Event(at, REVIEWS, duty)
    for change in migration.changes:
        out_of_band = change.outcome == Applied.OUT_OF_BAND
        if change.applied_at and (out_of_band or not adopted(change)):
            yield Event(change.applied_at, change.environment, change.outcome or "applied", out_of_band)
        for word, acts in (
            ("failed", change.failed),
            ("refused", change.refused),
            ("rolled back", change.rollbacks),
            ("waived", change.waivers),
        ):
            for act in acts:
                yield Event(act.at, change.environment or REVIEWS, word, exception=True)
