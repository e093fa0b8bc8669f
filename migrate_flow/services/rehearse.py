"""Upgrade, downgrade and upgrade again on a scratch database, for each dialect that migrations end up on."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from migrate_flow.config.load import Config
from migrate_flow.core.policy import Level
from migrate_flow.core.rehearsal import Grade, Now, Rehearsal, Route, route
from migrate_flow.core.traits import read_traits
from migrate_flow.errors import ScriptError, UsageError
from migrate_flow.services.ports import Scripts
from migrate_flow.services.progress import Progress


class Rehearser(Protocol):
    """Runs scripts on scratch databases, in processes of their own."""

    def rehearse(self, route: Route, dialect: str, processes: int, patience_s: float) -> Iterator[Now | Rehearsal]:
        """One rehearsal of each wanted revision, in any order. patience_s: the most that one step may take.

        Raises ConfigError without a server for the dialect, TargetError, ScriptError, UsageError.
        """
        ...


@dataclass(frozen=True, slots=True)
class Effort:
    """only: one dialect. processes: at most so many at a time. patience_s: the most that one step may take."""

    only: str = ""
    processes: int = 1
    patience_s: float = 1200.0


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """rehearsals: in the order of the graph, one a revision and dialect. paths: of the scripts, by revision. accepted:
    irreversible, and the policy takes them all the same."""

    rehearsals: tuple[Rehearsal, ...]
    paths: Mapping[str, str]
    accepted: frozenset[str] = frozenset()

    @property
    def ok(self) -> bool:
        return all(one.ok or one.revision in self.accepted for one in self.rehearsals)


def dialects(config: Config) -> tuple[str, ...]:
    """Of the environments that ask for approved migrations; of all where none does."""
    rules = config.policy.environments.values()
    approved = {one.dialect for one in rules if one.requires is Level.APPROVED}
    return tuple(sorted(approved or {one.dialect for one in rules}))


def rehearse(
    config: Config,
    scripts: Scripts,
    rehearser: Rehearser,
    revisions: Collection[str],
    effort: Effort,
) -> Generator[Progress, None, Rehearsed]:
    """Raises UsageError, ScriptError, TargetError."""
    if scripts.problems:
        problem = scripts.problems[0]
        raise ScriptError(problem.problem, hint=problem.hint, where=f"{problem.path}:{problem.line}")
    known = dialects(config)
    if effort.only and effort.only not in known:
        raise UsageError(f"no environment speaks {effort.only}", hint=f"one of: {', '.join(known)}", where="--dialect")
    needed = scripts.graph.ancestors(revisions) | set(revisions)
    manifests = {revision: scripts.manifest(revision) for revision in needed}
    way = route(scripts.graph, revisions, {revision: one.digest for revision, one in manifests.items()})
    found: list[Rehearsal] = []
    for dialect in [effort.only] if effort.only else known:
        if way.wanted:
            events = rehearser.rehearse(way, dialect, effort.processes, effort.patience_s)
            found += yield from _in_order(way, events)
    accepted = set()
    if config.policy.document["policy"].get("allow_irreversible"):
        for one in found:
            risks = read_traits(manifests[one.revision].script.content).risks
            if one.grade is Grade.IRREVERSIBLE and one.upgrade and "waiver" in risks:
                accepted.add(one.revision)
    paths = {revision: scripts.revisions[revision].path for revision in way.wanted}
    return Rehearsed(tuple(found), paths, frozenset(accepted))


def _in_order(way: Route, events: Iterator[Now | Rehearsal]) -> Generator[Progress, None, Sequence[Rehearsal]]:
    found: dict[str, Rehearsal] = {}
    place = {revision: number for number, revision in enumerate(way.order, start=1)}
    for event in events:
        if isinstance(event, Rehearsal):
            found[event.revision] = event
            outcome = event.grade.value if event.grade else "not rehearsed"
            what = "passed" if event.ok else "ended"
            yield Progress(
                what, event.revision, event.error, len(found), len(way.wanted), outcome, duration_s=event.seconds
            )
        elif event.building:
            yield Progress("passing", event.revision, f"building: {place[event.revision]} of {len(way.order)}")
        else:
            yield Progress("passing", event.revision, f"{event.part} ({len(found)} of {len(way.wanted)} done)")
    return [found[revision] for revision in way.wanted if revision in found]
