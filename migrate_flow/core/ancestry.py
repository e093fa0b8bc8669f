"""The digest of what all ancestors of a revision do, for one revision after the other.

Entries hold it, so its definition can't change: a SHA-256 over the sorted lines of all ancestors. For thousands of
revisions in turn the lines are kept sorted, and only what is below one and not below the last is put in or taken out.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, insort
from collections.abc import Callable
from functools import cached_property
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from migrate_flow.core.graph import RevisionGraph

_OLD, _NEW = 1, 2


class Ancestry:
    """behaviour: digest of what a revision does, empty where it is not known; asked once for each, unless it is left
    and met again."""

    def __init__(self, graph: RevisionGraph, behaviour: Callable[[str], str]) -> None:
        self._graph, self._behaviour = graph, behaviour
        self._at = ""  # whose ancestors the lines are of; empty: nobody's
        self._lines: list[bytes] = []
        self._line_of: dict[str, bytes] = {}
        self._unknown = 0

    def known(self, revision: str) -> bool:
        """Whether of every ancestor it is known what it does."""
        self._go(revision)
        return not self._unknown

    def digest(self, revision: str) -> str:
        """``sha256:…``, see `evidence.ancestry`; empty where something is not known."""
        return digest_of(self._lines) if self.known(revision) else ""

    def _go(self, revision: str) -> None:
        if revision == self._at:
            return
        if self._at and self._graph.parents(revision) == (self._at,):
            self._put_in(self._at)
        else:
            left, met = self._difference(revision)
            for one in left:
                self._take_out(one)
            for one in met:
                self._put_in(one)
        self._at = revision

    def _put_in(self, revision: str) -> None:
        behaviour = self._behaviour(revision)
        self._unknown += not behaviour
        self._line_of[revision] = line = line_of(revision, behaviour)
        insort(self._lines, line)

    def _take_out(self, revision: str) -> None:
        line = self._line_of.pop(revision)
        self._unknown -= line.endswith(b" ")
        del self._lines[bisect_left(self._lines, line)]

    @cached_property
    def _place(self) -> dict[str, int]:
        return {revision: number for number, revision in enumerate(self._graph.order())}

    def _difference(self, revision: str) -> tuple[list[str], list[str]]:
        """What is below the last one alone, and what is below this one alone: from the tips down, and no further than
        to where all that is left is below both."""
        sides: dict[str, int] = {}
        for tip, side in ((self._at, _OLD), (revision, _NEW)):
            for parent in self._graph.parents(tip) if tip else ():
                sides[parent] = sides.get(parent, 0) | side
        order, place = self._graph.order(), self._place
        waiting = [-place[one] for one in sides]
        heapify(waiting)
        apart = sum(side != _OLD | _NEW for side in sides.values())
        found: dict[int, list[str]] = {_OLD: [], _NEW: []}
        while apart:
            one = order[-heappop(waiting)]
            side = sides[one]
            if side in found:
                found[side].append(one)
                apart -= 1
            for parent in self._graph.parents(one):
                before = sides.get(parent)
                if before is None:
                    heappush(waiting, -place[parent])
                    sides[parent] = side
                    apart += side in found
                elif before | side != before:
                    sides[parent] = before | side
                    apart -= 1
        return found[_OLD], found[_NEW]


def line_of(revision: str, behaviour: str) -> bytes:
    return f"{revision} {behaviour}".encode()


def digest_of(lines: list[bytes]) -> str:
    """lines: sorted."""
    return "sha256:" + hashlib.sha256(b"\n".join(lines)).hexdigest()
