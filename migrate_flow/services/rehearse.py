"""Upgrade, downgrade and upgrade again on a scratch database, for each dialect that migrations end up on."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from migrate_flow.core.evidence import may_stay_irreversible, rehearsed_on
from migrate_flow.core.rehearsal import Grade, Now, Rehearsal, Route, route
from migrate_flow.core.traits import read_traits
from migrate_flow.errors import ScriptError, UsageError
from migrate_flow.services.progress import Progress

if TYPE_CHECKING:
    from migrate_flow.core.policy import Policy
    from migrate_flow.services.ports import Scripts


class Rehearser(Protocol):
    """Runs scripts on scratch databases, in processes of their own."""

    def rehearse(self, route: Route, dialect: str, processes: int, patience_s: float) -> Iterator[Now | Rehearsal]:
        """One rehearsal of each wanted revision, in any order. patience_s: the most that one step may take.

        Raises ConfigError without a server for the dialect, TargetError, ScriptError, UsageError.
        """
        ...


@dataclass(frozen=True, slots=True)
class Effort:
    """processes: at most so many at a time. patience_s: the most that one step may take."""

    processes: int = 1
    patience_s: float = 1200.0


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """rehearsals: in the order of the graph, one a revision and dialect. paths: of the scripts, by revision. accepted:
    irreversible, and the policy takes them all the same. behaviours: digests, of the ancestors too."""

    rehearsals: tuple[Rehearsal, ...]
    paths: Mapping[str, str]
    accepted: frozenset[str] = frozenset()
    behaviours: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def ok(self) -> bool:
        return all(one.ok or one.revision in self.accepted for one in self.rehearsals)


def dialects(policy: Policy, only: str = "") -> tuple[str, ...]:
    """To rehearse on. only: one of them. Raises UsageError."""
    known = rehearsed_on(policy)
    if only and only not in known:
        raise UsageError(f"no environment speaks {only}", hint=f"one of: {', '.join(known)}", where="--dialect")
    return (only,) if only else known


def rehearse(
    policy: Policy,
    scripts: Scripts,
    rehearser: Rehearser,
    revisions: Collection[str],
    effort: Effort,
    on: Sequence[str],
) -> Generator[Progress, None, Rehearsed]:
    """on: dialects. Raises ConfigError without a server for one, UsageError, ScriptError, TargetError."""
    if scripts.problems:
        problem = scripts.problems[0]
        raise ScriptError(problem.problem, hint=problem.hint, where=f"{problem.path}:{problem.line}")
    if not on:
        return Rehearsed((), {revision: scripts.revisions[revision].path for revision in revisions})
    needed = scripts.graph.ancestors(revisions) | set(revisions)
    manifests = {revision: scripts.manifest(revision) for revision in needed}
    way = route(scripts.graph, revisions, {revision: one.digest for revision, one in manifests.items()})
    found: list[Rehearsal] = []
    for dialect in on:
        if way.wanted:
            events = rehearser.rehearse(way, dialect, effort.processes, effort.patience_s)
            found += yield from _in_order(way, events)
    accepted = set()
    for one in found:
        traits = read_traits(manifests[one.revision].script.content)
        if one.grade is Grade.IRREVERSIBLE and one.upgrade and may_stay_irreversible(policy, traits):
            accepted.add(one.revision)
    paths = {revision: scripts.revisions[revision].path for revision in way.wanted}
    behaviours = {revision: one.behaviour for revision, one in manifests.items()}
    return Rehearsed(tuple(found), paths, frozenset(accepted), behaviours)


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
