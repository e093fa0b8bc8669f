"""What acceptance tests share: terminals, and the process that their commands are forked from."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

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
