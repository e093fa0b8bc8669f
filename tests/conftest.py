"""What every test gets: a home of its own, a quiet environment, a PostgreSQL on demand; and what was left out."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support import unchecked, warm, wheel
from tests.support.canary import CANARIES
from tests.support.postgres import PostgresServer

if TYPE_CHECKING:
    from tests.support.mariadb import MariadbServer

# A busy machine makes no test fail.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# Off unless `-m` names them; pyproject.toml says what each needs, CONTRIBUTING.md how to run them.
OFF_BY_DEFAULT = ("mariadb", "system", "real", "sweep", "browser")

LEFT_OUT = pytest.StashKey[dict[str, int]]()  # tests by mark
IN_MEMORY = pytest.StashKey[str]()  # the folder, if we made one
BYTE_CODE = pytest.StashKey[tuple[str | None, bool]]()  # as the caller has it

# Files that go to one process as a whole: what all of their tests share takes seconds to make.
# NOTE: pytest 9.2 keeps an id where pytest-xdist 3.8 does not write: with them the mark `xdist_group` does nothing.
TOGETHER = (
    *("tests/acceptance/test_canary.py", "tests/cli/test_changes.py", "tests/faults/test_table.py"),
    *("tests/ledger/test_tls.py", "tests/services/test_verify_processes.py", "tests/support/test_servers.py"),
    *("tests/acceptance/test_guard_superuser.py", "tests/exports/test_programs.py"),
    "tests/docs/test_site.py",
)

MEMORY, NEEDED = Path("/dev/shm"), 4 << 30  # a folder of our own is made in it

GITCONFIG = """\
[user]
\tname = Example Person
\temail = person@example.com
[init]
\tdefaultBranch = main
[commit]
\tgpgSign = false
"""

# What the caller's shell may hold and a test must not see: our settings, a database, a git or ssh identity,
# and what makes a terminal out of a pipe.
_UNWANTED_PREFIXES = ("MIGRATE_FLOW_", "PG", "GIT_", "XDG_", "LC_")
_UNWANTED = frozenset(
    (
        *("DATABASE_URL", "SSH_AUTH_SOCK", "SSH_AGENT_PID", "EDITOR", "VISUAL", "PAGER", "TZ"),
        *("NO_COLOR", "FORCE_COLOR", "PY_COLORS", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "LINES"),
        *("CI", "GITHUB_ACTIONS", "GITLAB_CI"),
    )
)


@pytest.fixture(scope="session", autouse=True)
def _quiet() -> Iterator[None]:
    """Take the caller's settings away before anything else is set up, servers too."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name in _UNWANTED or name.startswith(_UNWANTED_PREFIXES):
                patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def _homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("homes")
    return (folder / str(number) for number in itertools.count(1))


@pytest.fixture(autouse=True)
def home(_homes: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test's own HOME, with XDG folders, a git identity and no keyring."""
    folder = next(_homes)
    move_in(folder, monkeypatch)
    return folder


def move_in(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """A new home in this folder, for as long as the patch holds."""
    folder.mkdir()
    (folder / "gitconfig").write_text(GITCONFIG)
    own = {
        "HOME": folder,
        "XDG_CONFIG_HOME": folder / "config",
        "XDG_DATA_HOME": folder / "data",
        "XDG_STATE_HOME": folder / "state",
        "XDG_CACHE_HOME": folder / "cache",
        "XDG_RUNTIME_DIR": folder / "run",
        "GIT_CONFIG_GLOBAL": folder / "gitconfig",
        "GIT_CONFIG_NOSYSTEM": "1",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
    }
    for name, value in own.items():
        patch.setenv(name, str(value))


@pytest.fixture(autouse=True)
def _unchecked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands of this process find nothing when they check a script, unless the test has the mark ``checked``."""
    if request.node.get_closest_marker("checked") is None:
        monkeypatch.setattr(f"{unchecked.MODULE}.checks", unchecked.checks)


@pytest.fixture(autouse=True)
def _no_secret_is_left(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, home: Path
) -> Iterator[None]:
    """After each test: no canary in any file that it, or a command of it, has written."""
    yield
    CANARIES.learn((home,), {})
    folder = request.node.funcargs.get("tmp_path")
    try:
        CANARIES.check_files(tmp_path_factory.getbasetemp(), *filter(None, [folder]))
    finally:
        CANARIES.forget()


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the wheel, installed in a fresh venv: the folder with its command, the same one for all processes of a run."""
    folder = tmp_path_factory.getbasetemp()
    return wheel.install((folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "wheel")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this test process, started by the first test that asks for it."""
    with PostgresServer() as server:
        yield server
        CANARIES.check_log(server.folder / "log")


@pytest.fixture
def pg_url(postgres: PostgresServer) -> Iterator[str]:
    """The SQLAlchemy URL of a fresh, empty PostgreSQL database."""
    url = postgres.create_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariadbServer]:
    """A MariaDB server of this test process, for tests with the mark ``mariadb``."""
    from tests.support.mariadb import MariadbServer  # its driver is of no use to a plain run

    with MariadbServer() as server:
        yield server


@pytest.fixture
def mariadb_url(mariadb: MariadbServer) -> Iterator[str]:
    """The SQLAlchemy URL of a fresh, empty MariaDB database."""
    url = mariadb.create_database()
    yield url
    mariadb.drop_database(url)


def _off(config: pytest.Config) -> list[str]:
    """The marks that `-m` does not ask for ("not real" asks for nothing)."""
    asked = re.findall(r"(?<!not )\b\w+", config.option.markexpr or "")
    return [mark for mark in OFF_BY_DEFAULT if mark not in asked]


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEFT_OUT] = {}
    _keep_byte_code(config)
    _write_to_memory(config)


def pytest_unconfigure(config: pytest.Config) -> None:
    if made := config.stash.get(IN_MEMORY, None):
        shutil.rmtree(made, ignore_errors=True)


def _write_to_memory(config: pytest.Config) -> None:
    """A ledger waits for the disk several times an entry, and thousands of entries are half of the run's time. Where
    memory has the room, what tests write goes there, and is gone with the run; ``--basetemp DIR`` keeps it."""
    if config.option.basetemp is not None or hasattr(config, "workerinput"):
        return
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > NEEDED:
        config.option.basetemp = config.stash[IN_MEMORY] = tempfile.mkdtemp(prefix="migrate-flow-tests-", dir=MEMORY)


def _keep_byte_code(config: pytest.Config) -> None:
    """Of the libraries, the package and the tests, from run to run: where the caller keeps none (as in containers),
    every process that a test starts would compile all of it again, which takes a second."""
    config.stash[BYTE_CODE] = sys.pycache_prefix, sys.dont_write_bytecode
    if getattr(config, "cache", None) is None:
        return
    folder = str(config.cache.mkdir("pycache"))
    os.environ["PYTHONPYCACHEPREFIX"] = folder
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.pycache_prefix, sys.dont_write_bytecode = folder, False
    if not hasattr(config, "workerinput") and not any(Path(folder).iterdir()):
        # The first run of a checkout. Here it must be a process that has imported nothing yet: of what this one did
        # before now, the standard library's own byte code would be missing.
        subprocess.run([sys.executable, warm.__file__], check=False)


def pytest_collection_finish(session: pytest.Session) -> None:
    """All is imported. What tests write and load in this process is treated as the caller has it."""
    sys.pycache_prefix, sys.dont_write_bytecode = session.config.stash[BYTE_CODE]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what carries a mark that is off, after pytest has applied `-m` and `-k`."""
    off = set(_off(config))
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    counts: Counter[str] = Counter()
    for item in items:
        marks = {mark.name for mark in item.iter_markers()} & off
        counts.update(marks)
        (dropped if marks else kept).append(item)
    config.stash[LEFT_OUT] = dict(counts)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadGroupScheduling

    class Scheduling(LoadGroupScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return file if file in TOGETHER else str(super()._split_scope(nodeid))

    return Scheduling(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Under xdist only the workers collect: take over what they left out (each of them saw every test)."""
    output = getattr(node, "workeroutput", None) or {}
    node.config.stash[LEFT_OUT].update(output.get("left_out", {}))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """The run's last line, below pytest's own closing line, names the marks that were left out."""
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput["left_out"] = config.stash[LEFT_OUT]
    yield
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    off = _off(config)
    if off and terminal is not None and not hasattr(config, "workeroutput"):
        counts = config.stash[LEFT_OUT]
        named = ", ".join(f"{mark} ({counts.get(mark, 0)})" for mark in off)
        terminal.write_line(f"left out, tests by mark: {named}; -m MARK runs them")
