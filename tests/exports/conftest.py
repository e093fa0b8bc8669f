"""The audited ledger, made once for all test processes, and its exports, each made once by a command of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.exports.bundles import Sample, written
from tests.exports.tampering import ABOUT_IT
from tests.support.audited import LARGE, SMALL, Audited, kept
from tests.support.shell import Shell, make_home

EXPORTER = "fay@example.com"
Kept = Callable[[int], Audited]


@dataclass
class Exported:
    """A ledger, and the files that were exported from it."""

    made: Audited
    shell: Shell
    folder: Path
    _files: dict[str, Path] = field(default_factory=dict)

    def file(self, name: str) -> Path:
        if name not in self._files:
            self._files[name] = self.anew(name, self.folder / f"changes.{name}", self.shell)
        return self._files[name]

    def anew(self, name: str, path: Path, shell: Shell) -> Path:
        """By a process of its own. The ledger does not tell of it, so that the next one finds the same."""
        config = str(self.made.folder / "migrate-flow.toml")
        words = ("export", "--format", name, "--no-record", "--output", str(path))
        shell.flow("--config", config, *words, actor=EXPORTER)
        return path


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all test processes of this run have in common."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def audited(shared: Path) -> Audited:
    """30 migrations, and every kind of entry. Nobody changes anything in it: `audited.copy(folder)`."""
    return kept(shared / f"audited-{SMALL}", SMALL)


@pytest.fixture(
    scope="session", params=[SMALL, pytest.param(LARGE, marks=[pytest.mark.system, pytest.mark.timeout(900)])]
)
def exported(
    request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Exported:
    """Of 30 migrations in a plain run, of 300 with the mark ``system``, whose ledger takes a minute."""
    made = kept(shared / f"audited-{request.param}", request.param)
    cache = getattr(pytestconfig, "cache", None)
    pycache = Path(cache.mkdir("pycache")) if cache else tmp_path_factory.mktemp("pycache")
    folder = tmp_path_factory.mktemp("exported")
    return Exported(made, Shell(folder, make_home(tmp_path_factory.mktemp("home")), pycache), folder)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return Sample(written(tmp_path_factory.mktemp("ledger")))


@pytest.fixture(scope="session")
def part(whole: Sample) -> Sample:
    return Sample(whole.scribe, ABOUT_IT)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "given"
