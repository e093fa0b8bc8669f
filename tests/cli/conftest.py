"""A project under the flow, made once and copied for each test; and what a test file brings it to first, likewise."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import move_in
from tests.support.project import Project, governed

Recipe = Callable[[Project], object]
Brought = Callable[[Recipe], Project]


@pytest.fixture(scope="session")
def _prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared") / "shop"
    folder.mkdir()
    with _entered(folder):
        governed(folder)
    return folder


@pytest.fixture(scope="session")
def _brought(_prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Recipe], Path]:
    folders: dict[Recipe, Path] = {}

    def brought(recipe: Recipe) -> Path:
        if recipe not in folders:
            folder = tmp_path_factory.mktemp(recipe.__name__) / "shop"
            shutil.copytree(_prepared, folder)
            with _entered(folder):
                recipe(Project(folder))
            folders[recipe] = folder
        return folders[recipe]

    return brought


@contextmanager
def _entered(folder: Path) -> Iterator[None]:
    """The current folder, with a home of its own beside it: what is made once must not know a test's."""
    with pytest.MonkeyPatch.context() as patch:
        move_in(folder.parent / "home", patch)
        patch.chdir(folder)
        yield


@pytest.fixture
def project(_prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Four people, three environments on SQLite, no migration yet; the current folder."""
    return _copied(_prepared, tmp_path, monkeypatch)


@pytest.fixture
def brought(_brought: Callable[[Recipe], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Brought:
    """``brought(recipe)``: `project`, after the recipe; a function of the module, for its work is done once."""
    return lambda recipe: _copied(_brought(recipe), tmp_path, monkeypatch)


def _copied(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    folder = tmp_path / "shop"
    shutil.copytree(prepared, folder)
    monkeypatch.chdir(folder)
    return Project(folder)
