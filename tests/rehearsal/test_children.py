"""What several processes rehearse of one history."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from migrate_flow.bootstrap.project import checkout, load_config
from migrate_flow.bootstrap.rehearsals import ScratchRehearser
from migrate_flow.core.rehearsal import Now, Rehearsal, route
from tests.rehearsal.test_walk import write

BELOW = [f"a{number:02}" for number in range(6)]
WANTED = [f"b{number:02}" for number in range(16)]


@pytest.mark.usefixtures("home")
def test_what_all_of_them_stand_on_is_built_by_one(project: Path) -> None:
    write(project, *BELOW, *WANTED)
    config = load_config(project / "migrate-flow.toml")
    scripts = checkout(config)
    manifests = {revision: scripts.manifest(revision).digest for revision in scripts.graph.order()}
    way = route(scripts.graph, WANTED, manifests)
    events = list(ScratchRehearser(config, scripts).rehearse(way, "sqlite", processes=2, patience_s=60))
    built = Counter(event.revision for event in events if isinstance(event, Now) and event.building)
    assert {revision: built[revision] for revision in BELOW} == dict.fromkeys(BELOW, 1)
    assert sorted(event.revision for event in events if isinstance(event, Rehearsal) and event.ok) == WANTED
