"""The repository's own configuration governs the ledger's own migrations: they go through the whole flow."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.support.project import run_here

ROOT = Path(__file__).parents[2]
ADA, BEN, CARLA, DORA = (f"{name}@example.com" for name in ("ada", "ben", "carla", "dora"))


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the flow needs of the repository, in a folder of its own."""
    shutil.copy(ROOT / "migrate-flow.toml", tmp_path)
    ledger = Path("migrate_flow/ledger")
    ignored = shutil.ignore_patterns("__pycache__", "*.py[co]")
    shutil.copytree(ROOT / ledger / "migrations", tmp_path / ledger / "migrations", ignore=ignored)
    shutil.copy(ROOT / ledger / "alembic.ini", tmp_path / ledger)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def flow(*words: str, actor: str = "", code: int = 0) -> str:
    answer = run_here(*(["--as", actor] if actor else []), *words)
    assert answer.code == code, answer
    return answer.out


def test_own_migrations_reach_release_only_through_the_flow(repository: Path) -> None:
    people = (f"{CARLA}=backend-lead,policy-admin", f"{ADA}=developer", f"{BEN}=developer", f"{DORA}=backend-lead")
    flow("init", "--key-store", "project", *(word for person in people for word in ("--person", person)))
    flow("track", actor=ADA)
    flow("apply", "--env", "scratch", actor=ADA)
    assert "approved" in flow("apply", "--env", "release", actor=ADA, code=1)
    flow("self-review", "0001", actor=ADA, code=2)  # the checklist asks
    for revision in ("0001", "0002"):
        flow("self-review", revision, "--attest", actor=ADA)
        flow("review", revision, "--approve", actor=BEN)
        flow("approve", revision, actor=CARLA)
    board = json.loads(flow("status", "--format", "json"))
    assert [migration["state"] for migration in board["migrations"]] == ["approved", "approved"]
    flow("apply", "--env", "release", actor=ADA)
    with sqlite3.connect(repository / ".migrate-flow" / "release.db") as release:
        tables = {name for (name,) in release.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert {"entry", "artifact", "ledger_version"} <= tables
    release.close()
    assert json.loads(flow("ledger", "verify", "--format", "json"))["ok"] is True
