"""What a rehearsal showed: upgrade, downgrade and upgrade again on a scratch database, and the grade that follows."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from migrate_flow.core.losses import losses
from migrate_flow.core.snapshot import Difference, Indeterminate, Snapshot, difference, reordered

if TYPE_CHECKING:
    from migrate_flow.core.graph import RevisionGraph

MOST_CHANGES = 100


class Grade(StrEnum):
    """How far a revision can be undone."""

    LOSSLESS = "lossless"
    LOSSY = "lossy"
    IRREVERSIBLE = "irreversible"


class Part(StrEnum):
    """One of the three steps."""

    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"
    REUPGRADE = "reupgrade"


@dataclass(frozen=True, slots=True)
class Now:
    """What a rehearsal does: builds (applies only) or rehearses. part: which step comes next."""

    revision: str
    building: bool
    part: Part = Part.UPGRADE


@dataclass(frozen=True)
class Route:
    """What is to be rehearsed, and on what. order: what is applied, parents first. wanted: those of them to rehearse.

    By revision: manifests, digests; bases, the digest of what stands before it, of the wanted; parents, down_revision
    and depends_on.
    """

    order: tuple[str, ...]
    wanted: tuple[str, ...]
    manifests: Mapping[str, str]
    bases: Mapping[str, str]
    parents: Mapping[str, tuple[str, ...]]


def route(graph: RevisionGraph, wanted: Collection[str], manifests: Mapping[str, str]) -> Route:
    """manifests: digests, at least of the wanted revisions and their ancestors."""
    needed = graph.ancestors(wanted) | set(wanted)
    order = tuple(revision for revision in graph.order() if revision in needed)
    chosen = tuple(revision for revision in order if revision in wanted)
    return Route(
        order,
        chosen,
        {revision: manifests[revision] for revision in order},
        _bases(graph, order, chosen, manifests),
        {revision: graph.parents(revision) for revision in order},
    )


def base(manifests: Iterable[str]) -> str:
    """``sha256:…`` of the ancestors' manifests, in the order in which they are applied."""
    return "sha256:" + hashlib.sha256("\n".join(manifests).encode()).hexdigest()


def _bases(
    graph: RevisionGraph, order: Sequence[str], chosen: Iterable[str], manifests: Mapping[str, str]
) -> dict[str, str]:
    """Of thousands in a line each has nearly the ancestors of the one before: their digest goes on from there."""
    found: dict[str, str] = {}
    place = {revision: number for number, revision in enumerate(order)}
    line: list[str] = []  # what `digest` holds
    digest = hashlib.sha256()
    last = ""
    for revision in chosen:
        if graph.parents(revision) == (last,):
            more = [last]
        else:
            above = sorted(graph.ancestors([revision]), key=place.__getitem__)
            if above[: len(line)] != line:
                line, digest = [], hashlib.sha256()
            more = above[len(line) :]
        for one in more:
            digest.update((("\n" if line else "") + manifests[one]).encode())
            line.append(one)
        found[revision] = "sha256:" + digest.hexdigest()
        last = revision
    return found


@dataclass(frozen=True, slots=True)
class Sent:
    """A statement that the script sent. line: of the script, 0 where it is not known. seconds: how long it ran."""

    text: str
    line: int
    seconds: float
    in_block: bool = False


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A lock on a table that stood before, held when the step was about to commit. seconds: at most that long."""

    relation: str
    mode: str
    seconds: float


_Part = TypeVar("_Part", Sent, HeldLock)


@dataclass(frozen=True, slots=True)
class Attempted:
    """One step. problem: why it failed, empty if it did not."""

    problem: str = ""
    sent: tuple[Sent, ...] = ()
    locks: tuple[HeldLock, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A database between two steps. rows: by table."""

    schema: Snapshot
    rows: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """upgrade, downgrade, reupgrade, schema_restored, reupgrade_same, rows_restored: None where it did not come so far.

    grade: None where the revision could not be rehearsed at all. differences: what the downgrade did not restore, else
    where the second upgrade ended elsewhere. notes: what is worth knowing, and no difference. manifest, base: digests
    of the script's sealed bytes and of what was applied before it. lost: what the upgrade drops that may hold data.
    changes: what the upgrade did to the schema, the first `MOST_CHANGES`; None in documents that do not tell it.
    """

    revision: str
    dialect: str
    server: str = ""
    manifest: str = ""
    base: str = ""
    upgrade: bool | None = None
    downgrade: bool | None = None
    reupgrade: bool | None = None
    schema_restored: bool | None = None
    reupgrade_same: bool | None = None
    rows_restored: bool | None = None
    grade: Grade | None = None
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    error: str = ""
    sent: Mapping[str, tuple[Sent, ...]] | None = None  # by direction
    locks: tuple[HeldLock, ...] = ()
    schema_changed: bool | None = None
    seconds: float = 0.0
    lost: tuple[str, ...] = ()
    changes: tuple[Difference, ...] | None = None

    @property
    def ok(self) -> bool:
        """Whether it ran, and can be undone."""
        return self.grade in (Grade.LOSSLESS, Grade.LOSSY)


def judge(
    revision: str,
    steps: Sequence[Attempted],
    seen: Sequence[Seen],
    *,
    dialect: str,
    server: str = "",
    manifest: str = "",
    base: str = "",
) -> Rehearsal:
    """steps: up to three, the last may have failed. seen: before the first and after each that did not fail."""
    ran = [not step.problem for step in steps] + [None] * (3 - len(steps))
    upgrade, downgrade, reupgrade = ran
    before, after = seen[0], seen[1] if len(seen) > 1 else None
    differences: tuple[Difference, ...] = ()
    restored = same = rows = None
    notes: list[str] = []
    if len(seen) > 2:
        differences = _apart(before, seen[2])
        restored, rows = not differences, before.rows == seen[2].rows
        notes += _reordered(before, seen[2], "the downgrade")
        notes += _rows(before, seen[2])
    if len(seen) > 3 and after is not None:
        elsewhere = _apart(after, seen[3])
        same = not elsewhere
        differences = differences or elsewhere
        notes += _reordered(after, seen[3], "the second upgrade")
    if upgrade is False and len(steps) > 1:
        notes.append("one run of Alembic with all its ancestors applies it, but revisions are applied one at a time")
    error = next((f"{part}: {step.problem}" for part, step in zip(Part, steps, strict=False) if step.problem), "")
    if upgrade and restored is False and not error:
        error = "the downgrade does not restore the schema"
    elif same is False and not error:
        error = "the second upgrade does not end where the first one did"
    grade: Grade | None = None
    lost: tuple[str, ...] = ()
    if upgrade and after is not None:
        undone = downgrade and restored and reupgrade and same
        lost = _lost(before, after, steps[0].sent)
        grade = Grade.IRREVERSIBLE if not undone else Grade.LOSSY if lost else Grade.LOSSLESS
        if lost:
            notes.append(f"the upgrade drops what may hold data: {', '.join(lost)}")
    changes = None if after is None else _apart(before, after)
    return Rehearsal(
        revision, dialect, server, manifest, base, upgrade, downgrade, reupgrade, restored, same, rows, grade,
        differences, tuple(notes), error,
        {part.value: step.sent for part, step in zip(Part, steps[:2], strict=False)},
        steps[0].locks if steps else (),
        None if changes is None else bool(changes),
        round(sum(step.seconds for step in steps), 3),
        lost,
        None if changes is None else changes[:MOST_CHANGES],
    )  # fmt: skip


def _apart(one: Seen, other: Seen) -> tuple[Difference, ...]:
    found = difference(one.schema, other.schema)
    # Both were taken by one process from one server, so that they can always be compared.
    return () if isinstance(found, Indeterminate) else found


def _reordered(one: Seen, other: Seen, what: str) -> list[str]:
    tables = reordered(one.schema, other.schema)
    return [f"{what} leaves the columns of {', '.join(tables)} in another order"] if tables else []


def _rows(before: Seen, after: Seen) -> list[str]:
    tables = sorted(before.rows.keys() & after.rows.keys())
    return [
        f"rows of {table}: {before.rows[table]} before, {after.rows[table]} after upgrade and downgrade"
        for table in tables
        if before.rows[table] != after.rows[table]
    ]


def _lost(before: Seen, after: Seen, sent: Iterable[Sent]) -> tuple[str, ...]:
    """What the upgrade drops that may hold data."""
    found = losses(before.schema, after.schema, [one.text for one in sent])
    fewer = [table for table, rows in before.rows.items() if after.rows.get(table, rows) < rows]
    return tuple(dict.fromkeys([*found, *(f"rows of {table}" for table in fewer)]))


def to_document(rehearsal: Rehearsal) -> dict[str, Any]:
    """JSON values that hold all of it."""
    return asdict(rehearsal)


def from_document(document: Mapping[str, Any]) -> Rehearsal:
    """What `to_document` gave. Raises KeyError, TypeError, ValueError for anything else."""
    said = dict(document)
    said["grade"] = Grade(said["grade"]) if said["grade"] else None
    said["differences"] = tuple(Difference(**one) for one in said["differences"])
    said["changes"] = None if said.get("changes") is None else tuple(Difference(**one) for one in said["changes"])
    said["notes"], said["lost"] = tuple(said["notes"]), tuple(said["lost"])
    said["locks"] = tuple(_checked(HeldLock(**one)) for one in said["locks"])
    if said["sent"] is not None:
        sent = dict(said["sent"]).items()
        said["sent"] = {str(direction): tuple(_checked(Sent(**one)) for one in found) for direction, found in sent}
    return Rehearsal(**said)


def _checked(one: _Part) -> _Part:
    """Raises TypeError where a field is not of its type: whoever signed the report can have written anything."""
    expected: dict[str, type | tuple[type, ...]] = {"str": str, "int": int, "float": (int, float), "bool": bool}
    for field in fields(one):
        if not isinstance(getattr(one, field.name), expected[str(field.type)]):
            raise TypeError(f"{field.name} is not what it must be")
    return one
