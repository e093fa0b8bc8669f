"""What acceptance tests share: terminals, and the process that their commands are forked from."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import wheel
from tests.support.shell import Shell, make_home
from tests.support.warm import Server

Terminal = Callable[[Path], Shell]


@pytest.fixture(scope="session")
def pycache(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Byte code of all commands: of every run, for compiling the libraries takes longer than most tests."""
    cache = getattr(pytestconfig, "cache", None)
    return Path(cache.mkdir("pycache")) if cache else tmp_path_factory.mktemp("pycache")


@pytest.fixture(scope="session")
def terminal(tmp_path_factory: pytest.TempPathFactory, pycache: Path) -> Iterator[Terminal]:
    """``terminal(folder)``: a shell in that folder, with a home of its own."""
    homes = (make_home(tmp_path_factory.mktemp("home")) for _ in itertools.count())
    bare = Shell(Path("/"), make_home(tmp_path_factory.mktemp("home")), pycache)
    if os.environ.get("PLAIN_PROCESSES"):  # a check on the shortcut: every command in a fresh interpreter
        yield lambda folder: Shell(folder, next(homes), pycache)
        return
    with Server(bare.variables) as warm:
        yield lambda folder: Shell(folder, next(homes), pycache, warm)


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory, programs: Path) -> Iterator[Terminal]:
    """As ``terminal``, with the wheel's command."""
    homes = (make_home(tmp_path_factory.mktemp("home")) for _ in itertools.count())
    path = os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)])
    python, pycache = str(programs / "python"), wheel.byte_code(programs)
    bare = Shell(Path("/"), make_home(tmp_path_factory.mktemp("home")), pycache, environ={"PATH": path}, python=python)
    with Server(bare.variables, python) as warm:
        yield lambda folder: replace(bare, folder=folder, home=next(homes), warm=warm)
