"""What a plan's steps lack below them: the same as one walk for each would find."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from migrate_flow.core.graph import RevisionGraph
from migrate_flow.core.revision import Revision
from migrate_flow.services.grounds import Grounds
from tests.core.test_graph import histories


@settings(max_examples=200, deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_what_is_lacking_is_what_a_walk_of_its_own_finds(history: list[Revision], chance: random.Random) -> None:
    graph = RevisionGraph(history)
    order = graph.order()
    # Not always closed below, and not always what the version table says: a script may have been moved or added.
    applied = frozenset(chance.sample(order, chance.randrange(len(order) + 1))) | {"gone"}
    heads = chance.sample([*order, "unknown"], chance.randrange(3))
    below = Grounds(graph, heads, applied)
    earlier: set[str] = set()
    for revision in (id_ for id_ in order if id_ not in applied):
        lacking = graph.ancestors([revision]) - applied - earlier
        known = graph.applied_from(head for head in heads if head in graph.revisions)
        expected = lacking | ({revision} & known)
        assert below.missing(revision, earlier) == tuple(id_ for id_ in order if id_ in expected)
        if chance.random() < 0.8:  # what a plan does not bring is missing for all that stands on it
            earlier.add(revision)
