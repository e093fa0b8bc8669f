"""A project under the flow, made once and copied for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.project import Project, governed


@pytest.fixture(scope="session")
def _prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared") / "shop"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
        governed(folder)
    return folder


@pytest.fixture
def project(_prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Four people, three environments on SQLite, no migration yet; the current folder."""
    folder = tmp_path / "shop"
    shutil.copytree(_prepared, folder)
    monkeypatch.chdir(folder)
    return Project(folder)
