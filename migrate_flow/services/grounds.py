"""What must stand below the steps of a plan, walked once for all of them and not once for each."""

from __future__ import annotations

from collections.abc import Iterable, Set
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from migrate_flow.core.graph import RevisionGraph


class Grounds:
    """heads: rows of the version table of a database that the ledger knows. applied: what the ledger says stands there.

    The steps are asked for in the plan's order, parents first.
    """

    def __init__(self, graph: RevisionGraph, heads: Iterable[str], applied: frozenset[str]) -> None:
        self._graph, self._applied = graph, applied
        self._below = graph.applied_from(head for head in heads if head in graph.revisions)
        self._lacked: dict[str, frozenset[str]] = {}

    def missing(self, revision: str, earlier: Set[str]) -> tuple[str, ...]:
        """Unapplied ancestors that the plan does not bring, and the revision itself where it lies below an applied
        head, in order. earlier: what the plan brings before it.

        Alembic takes everything below a head for applied: it would plan nothing there, and never run it.
        """
        wanted = self._lacking(revision, earlier) | ({revision} & self._below)
        return tuple(rev for rev in self._graph.order() if rev in wanted) if wanted else ()

    @cached_property
    def _whole(self) -> bool:
        """Whether all that lies below what is applied is applied."""
        graph, applied = self._graph, self._applied
        return all(applied.issuperset(graph.parents(id_)) for id_ in applied if id_ in graph.revisions)

    def _lacking(self, revision: str, earlier: Set[str]) -> frozenset[str]:
        parents = self._graph.parents(revision)
        if self._whole and all(parent in self._applied or parent in self._lacked for parent in parents):
            ancestors = {id_ for parent in parents for id_ in (parent, *self._lacked.get(parent, ()))}
        else:
            ancestors = self._graph.ancestors([revision])
        self._lacked[revision] = frozenset(ancestors - self._applied - earlier)
        return self._lacked[revision]
