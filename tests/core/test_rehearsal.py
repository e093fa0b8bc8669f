"""The grade that follows from what three steps left, and the route to them."""

from __future__ import annotations

import contextlib
import hashlib
import json
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate_flow.core.graph import RevisionGraph
from migrate_flow.core.rehearsal import (
    Attempted,
    Grade,
    HeldLock,
    Rehearsal,
    Seen,
    Sent,
    base,
    from_document,
    judge,
    route,
    to_document,
)
from migrate_flow.core.revision import Revision
from migrate_flow.core.snapshot import SchemaObject, snapshot_of

DONE, FAILED = Attempted(seconds=1.0), Attempted("RuntimeError: no")


def seen(columns: str, rows: int = 0, order: str = "") -> Seen:
    found = [SchemaObject("table", "t"), *(SchemaObject("column", f"t.{c}", (), "table t") for c in columns.split())]
    columns_in_order = {"table t": tuple((order or columns).split())}
    return Seen(snapshot_of(found, columns_in_order, normaliser="test/1", server_major="1"), {"t": rows})


def judged(*looks: Seen, steps: tuple[Attempted, ...] = (DONE, DONE, DONE)) -> Rehearsal:
    return judge("a1", steps, looks, dialect="sqlite")


A, AB, ABC = seen("a"), seen("a b"), seen("a b c")


@pytest.mark.parametrize(
    ("looks", "grade", "restored", "same"),
    [
        ((A, AB, A, AB), Grade.LOSSLESS, True, True),
        ((AB, A, AB, A), Grade.LOSSY, True, True),
        ((A, A, A, A), Grade.LOSSLESS, True, True),
        ((A, AB, AB, AB), Grade.IRREVERSIBLE, False, True),
        ((A, AB, A, ABC), Grade.IRREVERSIBLE, True, False),
        ((AB, A, A, A), Grade.IRREVERSIBLE, False, True),
    ],
)
def test_three_steps_that_ran(looks: tuple[Seen, ...], grade: Grade, restored: bool, same: bool) -> None:
    found = judged(*looks)
    assert (found.grade, found.schema_restored, found.reupgrade_same) == (grade, restored, same)
    assert found.ok is (grade is not Grade.IRREVERSIBLE)
    assert bool(found.error) is bool(found.differences) is (grade is Grade.IRREVERSIBLE)
    assert found.schema_changed is (looks[0].schema != looks[1].schema)


def test_a_step_that_failed_ends_it() -> None:
    assert judged(A, steps=(FAILED,)).grade is None
    down = judged(A, AB, steps=(DONE, FAILED))
    assert (down.grade, down.downgrade, down.reupgrade, down.schema_restored) == (
        Grade.IRREVERSIBLE, False, None, None,
    )  # fmt: skip
    assert down.error == "downgrade: RuntimeError: no"
    again = judged(A, AB, A, steps=(DONE, DONE, FAILED))
    assert (again.grade, again.schema_restored, again.reupgrade) == (Grade.IRREVERSIBLE, True, False)


def test_what_works_only_together_is_not_passed_and_the_rest_is_told() -> None:
    found = judged(A, AB, A, AB, steps=(FAILED, DONE, DONE))
    assert (found.upgrade, found.grade, found.schema_restored) == (False, None, True)
    assert any("one at a time" in note for note in found.notes)


def test_the_order_of_columns_is_a_note() -> None:
    found = judged(seen("a b"), seen("a b c"), seen("a b", order="b a"), seen("a b c"))
    assert found.grade is Grade.LOSSLESS
    assert any("another order" in note and "downgrade" in note for note in found.notes)


def test_rows_count_apart_but_an_upgrade_that_takes_some_is_lossy() -> None:
    added = judged(seen("a", 1), seen("a", 3), seen("a", 3), seen("a", 5))
    assert (added.grade, added.rows_restored) == (Grade.LOSSLESS, False)
    taken = judged(seen("a", 3), seen("a", 1), seen("a", 3), seen("a", 1))
    assert (taken.grade, taken.rows_restored) == (Grade.LOSSY, True)
    assert any("rows of t" in note for note in taken.notes)


def test_statements_of_the_downgrade_do_not_make_an_upgrade_lossy() -> None:
    rename = Sent("ALTER TABLE t RENAME b TO c", 1, 0.0)
    back = Sent("DELETE FROM t", 2, 0.0)
    steps = (Attempted(sent=(rename,)), Attempted(sent=(back,)), DONE)
    assert judged(seen("a b"), seen("a c"), seen("a b"), seen("a c"), steps=steps).grade is Grade.LOSSLESS


@given(st.data())
def test_only_what_comes_back_and_again_can_be_undone(data: st.DataObject) -> None:
    columns = st.sets(st.sampled_from("abc"), min_size=1).map(lambda found: seen(" ".join(sorted(found))))
    looks = [data.draw(columns) for _ in range(4)]
    found = judged(*looks)
    undone = looks[0].schema == looks[2].schema and looks[1].schema == looks[3].schema
    assert found.ok is undone
    kept = set(looks[0].schema.objects) <= set(looks[1].schema.objects)
    assert (found.grade is Grade.LOSSLESS) is (undone and kept)


@pytest.mark.parametrize(("number", "how"), list(product(range(1, 4), ["ok", "failed"])))
def test_a_rehearsal_survives_json(number: int, how: str) -> None:
    sent = (Sent("SELECT 'ü'", 3, 0.1, in_block=True),)
    steps = (Attempted(sent=sent, locks=(HeldLock("t", "ShareLock", 0.5),)), DONE, DONE)[:number]
    looks = [AB, A, A, A][: number + 1]
    if how == "failed":
        steps, looks = (*steps[:-1], FAILED), looks[:-1]
    found = judged(*looks, steps=steps)
    assert from_document(json.loads(json.dumps(to_document(found)))) == found


RAN = judged(AB, A, AB, A, steps=(Attempted(sent=(Sent("x", 1, 0.1),), locks=(HeldLock("t", "m", 0.5),)), DONE, DONE))
GOOD: dict[str, Any] = json.loads(json.dumps(to_document(RAN)))
ODD: tuple[object, ...] = ("", "x", 0, 7, True, None, [], [7], [{}], {}, {"x": 7})
SENT, LOCK = GOOD["sent"]["upgrade"][0], GOOD["locks"][0]


@pytest.mark.parametrize(
    ("name", "odd"),
    [
        *[("grade", odd) for odd in ("fine", 1, ["lossy"])],
        *[("sent", odd) for odd in ("upgrade", 1, [SENT], {"upgrade": 1}, {"upgrade": SENT})],
        *[("sent", {"upgrade": [odd]}) for odd in (None, "x", {}, {**SENT, "more": 1})],
        *[("sent", {"upgrade": [{**SENT, "text": odd}]}) for odd in (None, 1, ["x"])],
        *[("sent", {"upgrade": [{**SENT, "line": odd}]}) for odd in (None, "1", 1.5)],
        *[("sent", {"upgrade": [{**SENT, "in_block": odd}]}) for odd in (None, 1, "no")],
        *[("locks", odd) for odd in (None, 1, [1], [{"mode": "m"}], [{**LOCK, "mode": 1}], [{**LOCK, "seconds": "1"}])],
        *[("differences", odd) for odd in (None, 1, ["t"], [{"object": "t"}])],
        *[("notes", None), ("lost", 1), ("more", 1)],
    ],
)
def test_odd_types_are_refused(name: str, odd: object) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        from_document({**GOOD, name: odd})


@pytest.mark.parametrize("left", [(), ("revision",), tuple(GOOD.keys() - {"sent"})])
def test_half_a_rehearsal_is_refused(left: tuple[str, ...]) -> None:
    with pytest.raises(KeyError):
        from_document({name: GOOD[name] for name in left})


@pytest.mark.parametrize("name", sorted(GOOD))
def test_what_is_odd_is_read_or_refused_and_nothing_else_happens(name: str) -> None:
    for odd in ODD:
        with contextlib.suppress(KeyError, TypeError, ValueError):
            from_document({**GOOD, name: odd})


def graph(parents: dict[str, tuple[str, ...]], depends_on: dict[str, tuple[str, ...]]) -> RevisionGraph:
    return RevisionGraph(
        Revision(id_, down, depends_on=depends_on.get(id_, ()), path=f"{id_}.py") for id_, down in parents.items()
    )


DIAMOND = graph({"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c"), "e": ("d",), "x": ()}, {"e": ("x",)})


def test_a_route_holds_what_is_wanted_and_all_below_it() -> None:
    manifests = {revision: f"sha256:{revision}" for revision in "abcdex"}
    way = route(DIAMOND, ["c", "e"], manifests)
    assert set(way.order) == set("abcdex")
    assert way.wanted == tuple(revision for revision in way.order if revision in "ce")
    assert all(way.order.index(parent) < way.order.index(one) for one in way.order for parent in way.parents[one])
    assert set(way.parents["e"]) == {"d", "x"}
    assert set(way.bases) == {"c", "e"}
    assert route(DIAMOND, ["c"], manifests).order == ("a", "c")


@given(st.lists(st.lists(st.integers(0, 20), max_size=3), max_size=12))
def test_a_base_is_the_digest_of_all_ancestors_in_order(links: list[list[int]]) -> None:
    parents = {f"r{n}": tuple(dict.fromkeys(f"r{up}" for up in ups if up < n)) for n, ups in enumerate(links)}
    made, manifests = graph(parents, {}), {revision: f"sha256:{revision}" for revision in parents}
    way = route(made, list(parents), manifests)
    for revision in way.wanted:
        above = made.ancestors([revision])
        listed = [manifests[one] for one in way.order if one in above]
        assert way.bases[revision] == base(listed)
        assert way.bases[revision] == "sha256:" + hashlib.sha256("\n".join(listed).encode()).hexdigest()
