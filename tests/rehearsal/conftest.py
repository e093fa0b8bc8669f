"""A small Alembic project, and scenes on it with the real scratch database of SQLite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.inputs import ENV, INI
from migrate_flow.bootstrap.project import checkout, load_config
from migrate_flow.bootstrap.rehearsal_child import ScratchScene
from migrate_flow.core.rehearsal import route
from migrate_flow.rehearsal.children import Job
from migrate_flow.rehearsal.scratch_sqlite import SqliteScratch
from migrate_flow.rehearsal.walk import Walk

Make = Callable[..., Walk]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Its folder; scripts go below migrations/versions."""
    folder = tmp_path / "shop"
    (folder / "migrations" / "versions").mkdir(parents=True)
    (folder / "alembic.ini").write_text(INI.format(url="sqlite:///dev.db"))
    (folder / "migrations" / "env.py").write_text(ENV)
    (folder / "migrate-flow.toml").write_text(
        '[project]\nname = "shop"\n[environments.dev]\nurl = "sqlite:///dev.db"\n'
    )
    return folder


@pytest.fixture
def walk_over(project: Path, tmp_path: Path) -> Iterator[Make]:
    """``walk_over("c", broken={…})``: a walk over these and what stands below them; all share one cache."""
    scenes: list[ScratchScene] = []

    def make(*wanted: str, broken: dict[str, str] | None = None) -> Walk:
        config = load_config(project / "migrate-flow.toml")
        scripts = checkout(config)
        revisions = wanted or scripts.graph.order()
        needed = scripts.graph.ancestors(revisions) | set(revisions)
        way = route(scripts.graph, revisions, {one: scripts.manifest(one).digest for one in needed})
        job = Job(str(config.path), "sqlite", way.order, way.wanted, way.manifests, way.bases, way.parents)
        folder = tmp_path / f"scratch {len(scenes)}"
        folder.mkdir()
        scenes.append(ScratchScene(job, SqliteScratch(folder, tmp_path / "cache")))
        return Walk(scenes[-1], way.order, frozenset(way.wanted), way.manifests, way.bases, way.parents, broken or {})

    yield make
    for scene in scenes:
        scene.close()
