"""How many of a project's files the commands that only show open and parse: none that was read before."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest

from migrate_flow import cache_folder
from migrate_flow.alembic_adapter.checkout import Checkout
from migrate_flow.alembic_adapter.scriptcache import ScriptCache
from migrate_flow.alembic_adapter.settings import read_settings
from migrate_flow.bootstrap import wiring
from tests.support.project import ADA, Project

WATCHED: list[str] | None = None


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if WATCHED is not None and event == "open" and "/versions/" in str(arguments[0]):
        WATCHED.append(f"read {arguments[0]}")
    if WATCHED is not None and event == "compile" and arguments[1] == "<unknown>":  # as ast.parse calls a source
        WATCHED.append("parsed")


sys.addaudithook(_hook)


def _touched(project: Project, *words: str) -> list[str]:
    global WATCHED
    WATCHED = []
    try:
        project.flow(*words, actor=ADA)
    finally:
        found, WATCHED = WATCHED, None
    return found


def _made_before(project: Project, count: int) -> None:
    """Scripts that were tracked and shown a while ago: what is younger than two seconds is not kept."""
    for number in range(count):
        project.script(f"aaaa{number:02}", f"aaaa{number - 1:02}" if number else None)
    project.flow("track", actor=ADA)
    cache = ScriptCache(cache_folder.path("scripts"), str(project.folder.resolve()), time.time_ns() + 10**12)
    checkout = Checkout(read_settings(project.folder / "alembic.ini"), project.folder, cache=cache)
    assert len(checkout.outlines(checkout.revisions)) == count


def test_a_warm_status_and_inbox_read_no_script(project: Project) -> None:
    _made_before(project, 12)
    assert len(_touched(project, "show", "aaaa00")) > 12, "nothing shows that reading would be seen"
    assert _touched(project, "status") == []
    assert _touched(project, "status", "aaaa03") == []
    assert _touched(project, "inbox") == []


def test_status_says_the_same_without_the_cache(project: Project) -> None:
    _made_before(project, 3)
    warm = project.json("status")
    folder = cache_folder.path("scripts")
    assert folder is not None
    for file in folder.iterdir():
        file.unlink()
    assert project.json("status") == warm


def test_what_only_shows_signs_nothing(project: Project) -> None:
    workspace = wiring.workspace(None, ADA, only_shows=True)
    with pytest.raises(RuntimeError, match="only shows"):
        workspace.signer()
