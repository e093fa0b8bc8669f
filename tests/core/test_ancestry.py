"""Digests of ancestors, one after the other, against their definition."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate_flow.core.ancestry import Ancestry
from migrate_flow.core.evidence import ancestry
from migrate_flow.core.graph import RevisionGraph
from migrate_flow.core.revision import Revision
from tests.core.test_graph import histories, rev


@given(histories(), st.data())
def test_whatever_is_asked_in_whatever_order_is_what_the_definition_says(
    made: list[Revision], data: st.DataObject
) -> None:
    graph = RevisionGraph(made)
    asked = data.draw(st.lists(st.sampled_from(sorted(graph.revisions)), max_size=20))
    unknown = data.draw(st.frozensets(st.sampled_from(sorted(graph.revisions)), max_size=2))
    known = {revision: "" if revision in unknown else f"does {revision}" for revision in graph.revisions}
    walk = Ancestry(graph, known.__getitem__)
    for revision in asked:
        above = graph.ancestors([revision])
        assert walk.known(revision) is unknown.isdisjoint(above)
        wanted = ancestry({one: known[one] for one in above}) if walk.known(revision) else ""
        assert walk.digest(revision) == wanted


def test_the_value_is_the_one_that_entries_hold() -> None:
    graph = RevisionGraph([rev("b2"), rev("a1", "b2"), rev("c3", "a1")])
    walk = Ancestry(graph, {"b2": "two", "a1": "one"}.__getitem__)
    # printf 'a1 one\nb2 two' | sha256sum
    assert walk.digest("c3") == "sha256:eb9521602c0296eb19c04561181f0b328b13fff744773b5d8391d22b39f8510b"


LINE = [rev(f"r{n:03}", *([f"r{n - 1:03}"] if n else [])) for n in range(300)]
DIAMONDS = [
    made
    for n in range(0, 300, 3)
    for made in (
        rev(f"r{n:03}", *([f"r{n - 2:03}", f"r{n - 1:03}"] if n else [])),
        rev(f"r{n + 1:03}", f"r{n:03}"),
        rev(f"r{n + 2:03}", f"r{n:03}"),
    )
]


@pytest.mark.parametrize("made", [LINE, DIAMONDS], ids=["line", "diamonds"])
def test_a_long_history_is_gone_through_once(made: list[Revision]) -> None:
    """Of neighbours only what one of them does not stand on is asked for."""
    graph, asked = RevisionGraph(made), Counter[str]()

    def behaviour(revision: str) -> str:
        asked[revision] += 1
        return f"does {revision}"

    walk = Ancestry(graph, behaviour)
    for revision in graph.order():
        walk.digest(revision)
    assert max(asked.values()) <= 2
    assert sum(asked.values()) <= 1.4 * len(made)
