"""What each command loads before it answers: libraries that it does not need, and how many files of our own.

Counted, not timed: a machine may be busy, and a list of modules is the same on all of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.project import ADA, governed

# Runs `main` as `python -m migrate_flow` would, then tells which modules were loaded by then.
PROBE = """
import json, sys
before = set(sys.modules)
from migrate_flow.__main__ import main
sys.argv = ["migrate-flow", *sys.argv[1:]]
try:
    code = main()
except SystemExit as end:
    code = end.code
print(json.dumps({"code": code, "modules": sorted(set(sys.modules) - before)}), file=sys.stderr)
"""

# Each of them takes from a twentieth to all of the time of a short command.
LIBRARIES = (
    "alembic", "asyncio", "concurrent.futures", "cryptography", "email", "http", "importlib.metadata", "jinja2",
    "keyring", "logging", "mako", "multiprocessing", "psycopg", "pydantic", "pygments", "pymysql", "rich", "secrets",
    "sqlalchemy", "sqlglot", "sqlmodel", "ssl", "tomlkit", "xlsxwriter", "zoneinfo",
)  # fmt: skip
# SQLAlchemy brings the standard library's with it.
DATABASE = frozenset(
    {"sqlalchemy", "asyncio", "concurrent.futures", "email", "importlib.metadata", "logging", "secrets", "ssl"}
)
# Gates of other packages are found among what is installed.
PLUGINS = frozenset({"email", "importlib.metadata"})


@dataclass(frozen=True)
class Loaded:
    """code: of the command. libraries: those of LIBRARIES that it loaded. own: our modules."""

    code: int
    libraries: frozenset[str]
    own: frozenset[str]


@dataclass(frozen=True)
class Case:
    """words: of the command. most: modules of our own. may: libraries that it needs. code: how it ends."""

    words: str
    most: int
    may: frozenset[str] = frozenset()
    code: int = 0


WITHOUT_A_PROJECT = (Case("--version", 18), Case("--help", 58), Case("status --help", 20))
IN_A_PROJECT = (
    Case("status", 112),
    Case("status 0002", 112),
    Case("status --format json", 112),
    Case(f"--as {ADA} inbox", 112),
    Case("log", 112),
    Case("log --format json", 112),
    Case("show 0002", 137),
    Case("keys list", 60),
    Case("policy show", 112),
    Case("policy diff", 108),
    Case("env list", 100),
    Case("ledger info", 103),
    Case("drift --env dev", 155, DATABASE | {"cryptography"}),
    Case("plan --env dev", 157, PLUGINS | {"cryptography"}, code=1),
    Case(f"--as {ADA} apply 0002 --env dev", 200, DATABASE | {"cryptography", "alembic", "mako", "zoneinfo"}),
)


def loaded(folder: Path, words: str, **environ: str) -> Loaded:
    """By a new process in this folder, whose output is a pipe."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *words.split()],
        cwd=folder,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    told = json.loads(done.stderr.splitlines()[-1])
    assert done.stdout.strip(), done.stderr
    modules = frozenset(told["modules"])
    own = frozenset(name for name in modules if name.partition(".")[0] == "migrate_flow")
    return Loaded(told["code"] or 0, frozenset(LIBRARIES) & modules, own)


@pytest.fixture
def project(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a migration that is applied and one that waits, and a migrate-flow.toml that was used before."""
    monkeypatch.chdir(tmp_path)
    made = governed(tmp_path, ("dev=sqlite:///dev.db",))
    made.script("0001")
    made.script("0002", "0001")
    made.flow("track", actor=ADA)
    made.flow("apply", "0001", "--env", "dev", actor=ADA)
    loaded(made.folder, "status")
    return made.folder


def _require(case: Case, found: Loaded) -> None:
    assert found.code == case.code
    assert sorted(found.libraries - case.may) == []
    assert len(found.own) <= case.most, sorted(found.own)


@pytest.mark.parametrize("case", WITHOUT_A_PROJECT, ids=lambda case: case.words)
def test_what_needs_no_project(case: Case, tmp_path: Path) -> None:
    _require(case, loaded(tmp_path, case.words))


def test_a_completion(tmp_path: Path) -> None:
    asked = {"_MIGRATE_FLOW_COMPLETE": "complete_bash", "COMP_WORDS": "migrate-flow sta", "COMP_CWORD": "1"}
    found = loaded(tmp_path, "", **asked)
    assert sorted(found.libraries) == []
    assert len(found.own) <= 20, sorted(found.own)


def test_what_a_project_is_asked(project: Path) -> None:
    for case in IN_A_PROJECT:
        _require(case, loaded(project, case.words))


def test_a_changed_configuration_is_checked_once(project: Path) -> None:
    file = project / "migrate-flow.toml"
    file.write_text(file.read_text("utf-8") + "\n# a comment\n", "utf-8")
    assert loaded(project, "status").libraries >= {"pydantic"}
    assert loaded(project, "status").libraries == frozenset()
