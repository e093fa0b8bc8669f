"""The script directory of a run: steps that need no map of the whole history are the ones that Alembic would make."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st

from migrate_flow.alembic_adapter.sealed import SealedDirectory, script_directory
from migrate_flow.core.graph import RevisionGraph
from migrate_flow.core.revision import Manifest, Revision, SealedFile
from tests.core.test_graph import histories, rev

SCRIPT = "revision = {id!r}\ndef upgrade(): pass\ndef downgrade(): pass\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "env.py").write_text("")
    return folder


def directory(folder: Path, history: Iterable[Revision]) -> SealedDirectory:
    config = Config()
    config.set_main_option("script_location", str(folder))
    headers = [Revision(r.id, r.down_revision, r.depends_on, r.branch_labels, path=f"{r.id}.py") for r in history]
    manifests = [Manifest((SealedFile.seal(r.path, SCRIPT.format(id=r.id).encode()),)) for r in headers]
    return script_directory(config, RevisionGraph(headers), manifests, folder, "")


def told(step: Any) -> tuple[Any, ...]:
    """All that becomes of the version table's rows follows from these."""
    plain = (step.is_upgrade, step.from_revisions, step.to_revisions, step.from_revisions_no_deps)
    return (step.revision.revision, *plain, step.info.down_revision_ids, str(step))


@settings(max_examples=80, deadline=None)
@given(histories(plain=True), st.randoms(use_true_random=False))
def test_the_next_step_is_the_one_that_alembic_plans(
    folder: Path, history: list[Revision], chance: random.Random
) -> None:
    graph, ours = RevisionGraph(history), directory(folder, history)
    applied: set[str] = set()
    while rest := graph.revisions.keys() - applied:
        heads = graph.heads_after(applied)
        asked = chance.choice(sorted(rest))
        planned = directory(folder, history).upgrade_steps(asked, heads)
        # More than one where its ancestors are not applied: that it is so is all that counts then.
        steps = ours.next_step(asked, heads)
        assert [told(step) for step in steps] == [told(step) for step in planned]
        below = min(id_ for id_ in rest if applied.issuperset(graph.parents(id_)))
        assert [step.revision.revision for step in ours.next_step(below, heads)] == [below]
        applied.add(below)
    assert ours.upgrade_steps(max(applied), graph.heads_after(applied)) == []
    assert ours.next_step(max(applied), graph.heads_after(applied)) == []


def test_a_line_of_revisions_is_run_without_a_map_of_the_history(folder: Path) -> None:
    line = [rev("r000"), *(rev(f"r{n:03}", f"r{n - 1:03}") for n in range(1, 300))]
    ours = directory(folder, line)
    for n in range(290, 300):
        (step,) = ours.next_step(f"r{n}", (f"r{n - 1}",))
        assert step.migration_fn.__name__ == "upgrade"
    assert sorted(ours.made) == [f"r{n}" for n in range(290, 300)]
    # Whoever asks for the map gets the whole one, with the scripts that were made already.
    before = ours.made["r295"]
    assert ours.get_revision("r295") is before
    assert len(ours.made) == 300
    assert ours.get_current_head() == "r299"


def test_a_second_branch_does_not_ask_for_the_map_either(folder: Path) -> None:
    ours = directory(folder, [rev("base"), rev("left", "base"), rev("right", "base"), rev("more", "right")])
    assert [step.revision.revision for step in ours.next_step("right", ("left",))] == ["right"]
    assert [step.revision.revision for step in ours.next_step("more", ("left", "right"))] == ["more"]
    assert sorted(ours.made) == ["more", "right"]
    assert ours.next_step("right", ("left", "more")) == []  # it lies below a row of the version table
