"""The graph against Alembic itself: random histories, Alembic's own map, and version tables that it really wrote."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from types import FrameType, ModuleType
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script.base import Script
from alembic.script.revision import RevisionError, RevisionMap
from hypothesis import given, settings
from hypothesis import strategies as st

from migrate_flow.core.graph import RevisionGraph
from migrate_flow.core.revision import Revision
from migrate_flow.errors import ScriptError


def rev(id_: str, *down: str, needs: Iterable[str] = (), labels: Iterable[str] = ()) -> Revision:
    return Revision(id_, tuple(down), tuple(needs), tuple(labels))


def alembic_map(revisions: Iterable[Revision]) -> RevisionMap:
    """Alembic's map of the same revisions, with scripts whose upgrade and downgrade do nothing."""
    scripts = []
    for revision in revisions:
        module: Any = ModuleType(revision.id)
        module.down_revision = revision.down_revision or None
        module.depends_on = revision.depends_on or None
        module.branch_labels = revision.branch_labels or None
        module.upgrade = module.downgrade = lambda: None
        scripts.append(Script(module, revision.id, f"{revision.id}.py"))
    return RevisionMap(lambda: iter(scripts))


@st.composite
def histories(draw: st.DrawFn, *, plain: bool = False) -> list[Revision]:
    """Any shape: several bases, branches, merges of unrelated lines, depends_on by id and by label, in any order.

    plain: no revision names a parent and an ancestor of that parent (there Alembic fails, or leaves rows behind).
    """
    made: list[Revision] = []
    labels: dict[str, str] = {}
    for n in range(draw(st.integers(1, 9))):
        ids = [r.id for r in made]
        known = st.sampled_from([*ids, *labels]) if ids else st.nothing()
        down = draw(st.lists(st.sampled_from(ids), max_size=2, unique=True)) if ids else []
        needs = draw(st.lists(known, max_size=2, unique=True)) if ids else []
        graph = RevisionGraph(made)
        below = graph.ancestors([*down, *(labels.get(i, i) for i in needs)] if plain else down)
        own = [f"label{n}"] if draw(st.integers(0, 3)) == 0 else []
        made.append(
            rev(
                f"{draw(st.integers(0, 2))}aaa{n}",
                *[d for d in down if d not in below],
                needs=[i for i in needs if not plain or labels.get(i, i) not in below],
                labels=own,
            )
        )
        labels |= dict.fromkeys(own, made[-1].id)
    return draw(st.permutations(made))


@settings(max_examples=80, deadline=None)
@given(histories())
def test_heads_bases_ancestors_and_labels_are_alembics(history: list[Revision]) -> None:
    graph, theirs = RevisionGraph(history), alembic_map(history)
    assert set(graph.heads()) == set(theirs.heads)
    assert set(graph.real_heads()) == set(theirs._real_heads)
    assert set(graph.bases()) == set(theirs.bases)
    for id_ in graph.revisions:
        script = theirs._revision_map[id_]
        assert graph.ancestors([id_]) == {r.revision for r in theirs._get_ancestor_nodes([script])} - {id_}
        assert graph.descendants([id_]) == {r.revision for r in theirs._get_descendant_nodes([script])} - {id_}
        assert set(graph.children(id_)) == script._all_nextrev
        assert set(graph.parents(id_)) == set(script._all_down_revisions)
        assert set(graph.labels(id_)) == script.branch_labels, id_


@settings(max_examples=80, deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_the_order_and_what_is_pending_are_alembics(history: list[Revision], chance: random.Random) -> None:
    graph, theirs = RevisionGraph(history), alembic_map(history)
    order = graph.order()
    assert sorted(order) == sorted(graph.revisions)
    assert all(order.index(p) < order.index(id_) for id_ in order for p in graph.parents(id_))
    assert order == RevisionGraph(chance.sample(history, len(history))).order()
    applied = set(order[: chance.randrange(len(order))])
    target = chance.choice(order)
    current = graph.heads_after(applied)
    expected = theirs.iterate_revisions(target, current or None, implicit_base=True)
    assert set(graph.pending(applied, [target])) == {r.revision for r in expected}
    assert graph.applied_from(current) == applied


def run(
    theirs: RevisionMap, ids: Iterable[str], *, up: bool, rows: Iterable[str] = ()
) -> Iterator[tuple[str, set[str]]]:
    """Let Alembic apply or revert these revisions on SQLite; give each with the version table's rows after it."""
    seen: list[tuple[str, set[str]]] = []
    make = MigrationStep.upgrade_from_script if up else MigrationStep.downgrade_from_script

    def steps(heads: Any, context: MigrationContext) -> Iterator[Any]:
        for id_ in ids:
            yield make(theirs, theirs._revision_map[id_])
            seen.append((id_, set(context.get_current_heads())))

    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"fn": steps})
        context._ensure_version_table()
        for row in rows:
            connection.execute(context._version.insert().values(version_num=row))
        context.run_migrations()
    engine.dispose()
    return iter(seen)


@settings(max_examples=50, deadline=None)
@given(histories(plain=True))
def test_the_version_table_holds_what_heads_after_says(history: list[Revision]) -> None:
    graph, theirs = RevisionGraph(history), alembic_map(history)
    applied: set[str] = set()
    for id_, rows in run(theirs, graph.order(), up=True):
        applied.add(id_)
        assert rows == set(graph.heads_after(applied))
    assert set(graph.heads_after(applied)) == set(graph.real_heads())
    for id_, rows in run(theirs, reversed(graph.order()), up=False, rows=graph.real_heads()):
        applied.remove(id_)
        assert rows == set(graph.heads_after(applied)), id_


def alembic_says(theirs: RevisionMap, argument: str) -> set[str] | None:
    try:
        return {r.revision for r in theirs.get_revisions(argument) if r is not None}
    except RevisionError:
        return None


def we_say(graph: RevisionGraph, argument: str) -> set[str] | None:
    try:
        return set(graph.resolve(argument))
    except ScriptError:
        return None


@settings(max_examples=60, deadline=None)
@given(histories())
def test_names_mean_what_they_mean_to_alembic(history: list[Revision]) -> None:
    graph, theirs = RevisionGraph(history), alembic_map(history)
    labels = [label for r in history for label in r.branch_labels]
    names = ["heads", "base", "none", *labels, *graph.revisions, *(i[:4] for i in graph.revisions)]
    names += [f"{branch}@{name}" for branch in [*labels, history[0].id, "none"] for name in (*names[:3], *names[-3:])]
    names.remove("none@base")  # () to Alembic, an unknown branch to us
    assert {n: we_say(graph, n) for n in names} == {n: alembic_says(theirs, n) for n in names}
    heads = theirs.heads
    assert we_say(graph, "head") == (set(heads) if len(heads) == 1 else None)
    for label in labels:
        on_branch = theirs.filter_for_lineage(heads, label)
        assert we_say(graph, f"{label}@head") == (set(on_branch) if len(on_branch) == 1 else None)


def test_a_run_of_a_branch_stays_together() -> None:
    ids = [rev("a1"), rev("c2", "a1"), rev("b9", "a1"), rev("b1", "c2"), rev("c1", "b9"), rev("m", "b1", "c1")]
    assert RevisionGraph(ids).order() == ("a1", "b9", "c1", "c2", "b1", "m")
    crossing = [rev("a"), rev("b", "a", needs=["p"]), rev("o"), rev("p", "o"), rev("q", "p")]
    assert RevisionGraph(crossing).order() == ("a", "o", "p", "q", "b")


def test_several_heads_are_named_with_the_ways_out() -> None:
    graph = RevisionGraph([rev("aaaa1"), rev("bbbb2", "aaaa1", labels=["orders"]), rev("cccc3", "aaaa1")])
    with pytest.raises(ScriptError) as caught:
        graph.resolve("head")
    assert "bbbb2, cccc3" in caught.value.message
    assert "orders@head" in caught.value.hint
    assert "heads" in caught.value.hint
    assert graph.resolve("orders@head") == ("bbbb2",)
    assert graph.resolve("heads") == ("bbbb2", "cccc3")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("3f2a91c04d7f", "did you mean 3f2a91c04d7e?"),
        ("3f2a", "could be 3f2a91c04d7e, 3f2abbbb0000"),
        ("3f2", "needs 4 characters"),
        ("odrers", "did you mean orders?"),
        ("", "no script here"),
        ("-1", "no script here"),
        ("3f2a91c04d7e:head", "no script here"),
        ("orders@5a00", "'5a00'"),
        ("orders@5a0000000000", "5a0000000000 is not on the branch 'orders'"),
        ("@head", "no script here"),
        ("\x1b[31m", "'\\x1b[31m'"),
    ],
)
def test_what_is_unknown_or_ambiguous_says_so(asked: str, said: str) -> None:
    graph = RevisionGraph(
        [rev("3f2a91c04d7e", labels=["orders"]), rev("3f2abbbb0000", "3f2a91c04d7e"), rev("5a0000000000")]
    )
    with pytest.raises(ScriptError) as caught:
        graph.resolve(asked)
    assert said in caught.value.message
    assert caught.value.exit_code == 2
    assert caught.value.hint


def test_a_prefix_is_unique_by_revision_not_by_name() -> None:
    graph = RevisionGraph([rev("orde1", labels=["orders"]), rev("xxxx2")])
    assert graph.resolve("orde") == ("orde1",)
    assert graph.resolve("xxxx2") == graph.resolve("xxxx") == ("xxxx2",)
    assert alembic_says(alembic_map(graph.revisions.values()), "orde") is None  # stricter there, for no reason


def test_an_empty_tree_has_no_head() -> None:
    graph = RevisionGraph([])
    assert graph.resolve("head") == graph.resolve("heads") == graph.resolve("base") == graph.order() == ()
    assert graph.heads_after([]) == graph.pending([], []) == ()


def test_missing_parents_are_named_and_block_only_what_needs_them() -> None:
    graph = RevisionGraph([rev("aaaa"), rev("bbbb", "gone"), rev("cccc", "aaaa", needs=["lost"])])
    assert set(graph.missing) == {("bbbb", "gone"), ("cccc", "lost")}
    assert set(graph.order()) == {"aaaa", "bbbb", "cccc"}
    assert graph.heads() == ("bbbb", "cccc")
    assert graph.bases() == ("aaaa",)
    assert graph.pending([], ["aaaa"]) == ("aaaa",)
    assert graph.pending(["gone"], ["bbbb"]) == ("bbbb",)
    with pytest.raises(ScriptError, match="bbbb needs revision 'gone'"):
        graph.pending([], ["bbbb"])
    with pytest.raises(ScriptError, match="the target needs revision 'nowhere'"):
        graph.pending([], ["nowhere"])


def test_ids_that_the_tree_lacks_stay_applied() -> None:
    graph = RevisionGraph([rev("aaaa"), rev("bbbb", "aaaa")])
    assert graph.applied_from(["bbbb", "unknown"]) == {"aaaa", "bbbb", "unknown"}
    assert graph.heads_after({"aaaa", "bbbb", "unknown"}) == ("bbbb", "unknown")


@pytest.mark.parametrize(
    ("ids", "stuck"),
    [
        ([rev("a", "a")], {"a"}),
        ([rev("a", "b"), rev("b", "a"), rev("c", "b"), rev("d")], {"a", "b"}),
        ([rev("a", needs=["top"]), rev("b", "a", labels=["top"])], {"a", "b"}),
    ],
)
def test_cycles_are_found_and_never_ordered(ids: list[Revision], stuck: set[str]) -> None:
    graph = RevisionGraph(ids)
    assert graph.cycles() == stuck
    with pytest.raises(ScriptError, match="cycle"):
        graph.order()
    assert graph.ancestors(["a"]) >= stuck - {"a"}  # ends
    assert isinstance(graph.labels("a"), tuple)


def test_five_thousand_revisions_need_no_recursion() -> None:
    line = [rev("r0", labels=["all"])] + [rev(f"r{n}", f"r{n - 1}") for n in range(1, 5000)]
    graph = RevisionGraph(reversed(line))
    assert graph.order() == tuple(r.id for r in line)
    assert graph.pending(set(graph.order()[:4000]), graph.heads()) == graph.order()[4000:]
    assert graph.labels("r4999") == ("all",)
    assert graph.heads_after(graph.order()) == ("r4999",)


def _line(count: int) -> list[Revision]:
    return [rev(f"r{n:04}", *([f"r{n - 1:04}"] if n else [])) for n in range(count)]


def _merge(count: int) -> list[Revision]:
    merged = [rev(f"r{n:04}") for n in range(count)]
    return [*merged, rev("tip", *(one.id for one in merged))]


SHAPES: dict[str, Callable[[int], list[Revision]]] = {
    "a line": _line,
    "labels everywhere": lambda count: [replace(one, branch_labels=(f"l{one.id}",)) for one in _line(count)],
    "heads": lambda count: [rev("root"), *(rev(f"r{n:04}", "root") for n in range(count))],
    "one merge": _merge,
    "depends on the one before": lambda count: [replace(one, depends_on=one.down_revision) for one in _line(count)],
    "a cycle": lambda count: [rev(f"r{n:04}", f"r{(n - 1) % count:04}") for n in range(count)],
}


def _steps(revisions: list[Revision]) -> int:
    """Lines of the graph's code that are run for everything that is asked of it."""
    counted = 0

    def count(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal counted
        if not frame.f_code.co_filename.endswith("core/graph.py"):
            return None
        counted += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        graph = RevisionGraph(revisions)
        one = revisions[len(revisions) // 2].id
        if not graph.cycles():
            graph.pending((), graph.heads())
        graph.heads(), graph.real_heads(), graph.bases(), graph.labels(one), graph.descendants([one])
        graph.heads_after(graph.applied_from(graph.heads()))
        for name in ("head", "heads", one, one[:4], "nothing", f"{one}@head"):
            with suppress(ScriptError):
                graph.resolve(name)
    finally:
        sys.settrace(before)
    return counted


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_work_grows_with_the_history_and_no_faster(shape: Callable[[int], list[Revision]]) -> None:
    small, large = _steps(shape(100)), _steps(shape(1000))
    assert small > 100
    assert large < 11 * small
