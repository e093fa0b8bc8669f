"""The walk through the revisions on one scratch database: up only to where it begins, then up, down and up again."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from migrate_flow.core.rehearsal import Attempted, Now, Part, Rehearsal, Seen, judge
from migrate_flow.errors import TargetError


class Scene(Protocol):
    """A scratch database with the project's env.py on it.

    server: what its server calls itself. copies: whether `keep` and `back` work. cheap: whether that costs next to
    nothing.
    """

    @property
    def dialect(self) -> str: ...

    @property
    def server(self) -> str: ...

    @property
    def copies(self) -> bool: ...

    @property
    def cheap(self) -> bool: ...

    def start(self, applied: Sequence[str]) -> int:
        """An empty database, or one in which some of these stand already: how many, from the first on."""
        ...

    def run(self, revision: str, part: Part) -> Attempted: ...

    def together(self, applied: Sequence[str]) -> str:
        """From an empty database up to the last of these in one run of Alembic; why it fails, empty if it does not."""
        ...

    def look(self) -> Seen: ...

    def keep(self) -> None: ...

    def back(self) -> None: ...

    def store(self, applied: Sequence[str]) -> None:
        """For later runs, which need these applied."""
        ...


@dataclass
class Walk:
    """order: what is applied, parents first. wanted: those of them to rehearse. manifests: digest by revision.
    bases: of the wanted, the digest of what stands before each. parents: by revision. broken: revisions that can't be
    applied, and why."""

    scene: Scene
    order: Sequence[str]
    wanted: frozenset[str]
    manifests: Mapping[str, str]
    bases: Mapping[str, str]
    parents: Mapping[str, Sequence[str]]
    broken: Mapping[str, str]

    def __post_init__(self) -> None:
        self._applied: list[str] = []
        self._broken = dict(self.broken)
        self._lost: dict[str, str] = {}  # the ancestor that is to blame
        self._stored = False
        self._joined = 0  # so many of those applied could only be applied together

    def events(self) -> Iterator[Now | Rehearsal]:
        # Not beyond what is wanted, nor what can't be applied: templates hold neither.
        apart = self.wanted | self._broken.keys()
        first = next((n for n, revision in enumerate(self.order) if revision in apart), len(self.order))
        self._applied = list(self.order[: self.scene.start(self.order[:first])])
        seen: Seen | None = None  # the database as it is now, if that is known
        for revision in self.order[len(self._applied) :]:
            wanted = revision in self.wanted
            if revision in self._broken:
                continue
            missing = next((one for one in self.parents[revision] if one in self._broken), "")
            if missing:
                self._lost[revision] = lost = self._lost.get(missing, missing)
                if wanted:
                    yield self._not_reached(revision, f"its ancestor {lost} can't be applied")
                self._broken[revision] = lost
                continue
            if not wanted:
                yield Now(revision, building=True)
                step = self.scene.run(revision, Part.UPGRADE)
                if step.problem and not self._works_together(revision):
                    self._broken[revision] = step.problem
                    yield from self._rebuilt()
                else:
                    self._applied.append(revision)
                seen = None
                continue
            if not self._stored:
                self._stored = True
                if not self._joined:
                    self.scene.store(self._applied)
            rehearsal, seen = yield from self._rehearse(revision, seen or self.scene.look())
            yield rehearsal
            if seen is None:
                yield from self._rebuilt()
        if not self._broken and not self._joined:
            self.scene.store(self._applied)

    def _rehearse(self, revision: str, before: Seen) -> Generator[Now, None, tuple[Rehearsal, Seen | None]]:
        """Ends with the rehearsal, and the database as it is then; None where it has to be built again."""
        steps: list[Attempted] = []
        seen = [before]
        kept = False
        for part in Part:
            yield Now(revision, building=False, part=part)
            step = self.scene.run(revision, part)
            steps.append(step)
            if step.problem and not (part is Part.UPGRADE and self._works_together(revision)):
                break
            try:
                seen.append(self.scene.look())
            except TargetError as error:
                steps[-1] = replace(step, problem=error.message)
                break
            if part is Part.UPGRADE:
                self._applied.append(revision)
                if kept := self._worth_keeping(seen[-1]):
                    self.scene.keep()
        rehearsal = self._judged(revision, steps, seen)
        if len(seen) == 1:
            self._broken[revision] = steps[0].problem
            return rehearsal, None
        # Rows may have come back in the same number, and not with what was in them.
        if len(seen) == 4 and _alike(seen[1], seen[3]) and not any(seen[1].rows.values()):
            return rehearsal, seen[3]
        if kept:
            self.scene.back()
            return rehearsal, seen[1]
        return rehearsal, None

    def _works_together(self, revision: str) -> bool:
        """Whether one run with all its ancestors applies what fails as a step of its own: what comes after it can
        still be rehearsed then."""
        if set(self._applied) != self._ancestors(revision):
            return False
        if self.scene.together([*self._applied, revision]):
            return False
        self._joined = len(self._applied) + 1
        return True

    def _ancestors(self, revision: str) -> set[str]:
        found: set[str] = set()
        left = list(self.parents[revision])
        while left:
            one = left.pop()
            if one not in found:
                found.add(one)
                left += self.parents[one]
        return found

    def _worth_keeping(self, after: Seen) -> bool:
        return self.scene.copies and (self.scene.cheap or any(after.rows.values()))

    def _judged(self, revision: str, steps: Sequence[Attempted], seen: Sequence[Seen]) -> Rehearsal:
        return judge(
            revision,
            steps,
            seen,
            dialect=self.scene.dialect,
            server=self.scene.server,
            manifest=self.manifests[revision],
            base=self.bases[revision],
        )

    def _not_reached(self, revision: str, why: str) -> Rehearsal:
        return Rehearsal(
            revision, self.scene.dialect, self.scene.server, self.manifests[revision], self.bases[revision], error=why
        )

    def _rebuilt(self) -> Iterator[Now]:
        """A database is never used again after a failure: from the start, or the nearest template."""
        wanted, self._applied = self._applied, []
        if self._joined:
            problem = self.scene.together(wanted[: self._joined])
            if problem:
                self._broken[wanted[self._joined - 1]] = f"it could be applied once, and not again: {problem}"
                return
            self._applied = wanted[: self._joined]
        else:
            self._applied = wanted[: self.scene.start(wanted)]
        for revision in wanted[len(self._applied) :]:
            yield Now(revision, building=True)
            step = self.scene.run(revision, Part.UPGRADE)
            if step.problem:
                self._broken[revision] = f"it could be applied once, and not again: {step.problem}"
                return
            self._applied.append(revision)


def _alike(one: Seen, other: Seen) -> bool:
    return (
        one.schema.fingerprint == other.schema.fingerprint
        and one.schema.column_order == other.schema.column_order
        and one.rows == other.rows
    )
