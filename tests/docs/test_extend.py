"""docs/how-to/extend.md is followed, in a copy of this repository and in packages beside it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from migrate_flow.core.dialects import KINDS, NAMES
from migrate_flow.core.traits import Traits
from migrate_flow.core.verdict import decide
from migrate_flow.dialects import dialect_for
from migrate_flow.formats import known
from tests.docs.site import DOCS, ROOT
from tests.support.alembic_projects import make_project, put_under_the_flow, write_script
from tests.support.builders import facts
from tests.support.shell import Shell, make_home

PAGE = (DOCS / "how-to" / "extend.md").read_text(encoding="utf-8")
FRIDAY, MONDAY = datetime(2026, 11, 20, 12, tzinfo=UTC), datetime(2026, 11, 23, 12, tzinfo=UTC)
RULES_TESTS = (
    *("-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", "-k", "table-without-comment or reference"),
    *("tests/lint/test_cases.py", "tests/lint/test_reference.py"),
)
NEEDED = (
    *("migrate_flow", "tests/__init__.py", "tests/conftest.py", "tests/support", "tests/lint", "pyproject.toml"),
    "docs/reference/rules.md",
)


def example(title: str) -> str:
    """The text of the block of this title."""
    (source,) = re.findall(rf'^```\w+ title="{re.escape(title)}"\n(.*?)^```$', PAGE, re.M | re.S)
    return str(source)


@pytest.fixture
def copy() -> Iterator[Path]:
    """What the steps of the page change, and what they need. Apart from other tests' files, among which nothing may
    look like a secret, as some of ours do."""
    with TemporaryDirectory() as folder:
        for name in NEEDED:
            to = Path(folder, name)
            to.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, to, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(ROOT / name, to)
        yield Path(folder)


def write(copy: Path, title: str) -> None:
    (copy / title).write_text(example(title), encoding="utf-8")


def python(copy: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(copy)}
    return subprocess.run([sys.executable, *words], cwd=copy, env=environ, capture_output=True, text=True, check=False)


@pytest.fixture
def shop(pycache: Path, tmp_path: Path) -> Callable[[Path], Shell]:
    """A project with one migration, whose commands find what is in this folder before anything else."""
    (tmp_path / "shop").mkdir()
    shell = Shell(tmp_path / "shop", make_home(tmp_path / "home"), pycache)
    write_script(make_project(shell), "aaaa01", upgrade='op.execute("DROP TABLE IF EXISTS old")')
    put_under_the_flow(shell)

    def at(folder: Path) -> Shell:
        return Shell(shell.folder, shell.home, shell.pycache, environ={"PYTHONPATH": str(folder)})

    return at


def test_a_rule_of_this_repository(copy: Path) -> None:
    write(copy, "migrate_flow/lint/rules/table_without_comment.py")
    done = python(copy, *RULES_TESTS)
    assert done.returncode == 1, "its cases and its page are asked for"
    write(copy, "tests/lint/cases/table-without-comment.toml")
    assert python(copy, "-m", "tests.lint.reference").returncode == 0
    assert "nothing says what" not in (page := (copy / "docs/reference/rules.md").read_text(encoding="utf-8"))
    assert "A table is created without a comment" in page
    done = python(copy, *RULES_TESTS)
    assert done.returncode == 0, done.stdout


def package(folder: Path, module: str, source: str, entry_points: str) -> None:
    """As installed: the module, and what its metadata says, of which the page has pyproject.toml's words."""
    told = tomllib.loads(entry_points)["project"]["entry-points"]
    folder.mkdir(exist_ok=True)
    (folder / module).write_text(source, encoding="utf-8")
    metadata = folder / f"{module.removesuffix('.py')}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {metadata.stem}\nVersion: 1.0\n")
    groups = (f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()) for group, points in told.items())
    (metadata / "entry_points.txt").write_text("\n".join(groups))


def test_packages_with_a_rule_and_a_gate(shop: Callable[[Path], Shell], tmp_path: Path) -> None:
    page = (DOCS / "how-to" / "lint.md").read_text(encoding="utf-8")
    (rule,) = [text for text in re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S) if "RULE" in text]
    rules, gates = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.M | re.S)
    package(tmp_path / "site", "shop_rules.py", rule, rules)
    package(tmp_path / "site", "shop_gates.py", example("shop_gates.py"), gates)
    shell = shop(tmp_path / "site")
    write_script(shell.folder / "migrations" / "versions", "aaaa02", "aaaa01")
    found = shell.json("lint", "aaaa02", code=1)["findings"]
    assert "shop-owner" in {finding["rule"] for finding in found}
    before = datetime.now(UTC).weekday()
    verdicts = shell.json("plan", "--env", "dev", code=1)["steps"][0]["gates"]
    (friday,) = (verdict for verdict in verdicts if verdict["gate"] == "no-drop-on-friday")
    assert friday["passed"] in {day != 4 for day in (before, datetime.now(UTC).weekday())}


@pytest.mark.parametrize(
    ("now", "risks", "passed"), [(FRIDAY, {"destructive"}, False), (MONDAY, {"destructive"}, True), (FRIDAY, (), True)]
)
def test_the_gate_on_any_day(now: datetime, risks: Any, passed: bool) -> None:
    names: dict[str, Any] = {"__name__": "shop_gates"}
    exec(example("shop_gates.py"), names)
    verdict = names["GATE"].judge(facts(now=now, traits=Traits(risks=frozenset(risks))))
    assert verdict.gate == names["GATE"].name
    assert decide([verdict]).allowed is passed
    assert bool(verdict.hint) is not passed


def test_a_format(copy: Path, shop: Callable[[Path], Shell]) -> None:
    write(copy, "migrate_flow/formats/lines.py")
    shell = shop(copy)
    register = copy / "migrate_flow" / "formats" / "__init__.py"
    text, line = register.read_text(encoding="utf-8"), example("in migrate_flow/formats/__init__.py")
    assert "one of: table, json\n" in shell.flow("status", "--format", "lines", code=2).err
    changed = re.sub(r"^FORMATS = .*\n", line, text, count=1, flags=re.M)
    assert changed != text
    register.write_text(changed, encoding="utf-8")
    assert shell.flow("status", "--format", "lines").out.startswith("schema\tmigrate-flow/status/1\n")
    assert "table, json or lines." in shell.flow("log", "--help").out
    assert "findings\t" in shell.flow("lint", "--format", "lines", code=1).out


def test_every_format_has_a_file_and_a_place() -> None:
    files = {path.stem for path in (ROOT / "migrate_flow" / "formats").glob("*.py") if not path.stem.startswith("_")}
    assert files == set(known(findings=True))


def test_a_dialect(copy: Path, shop: Callable[[Path], Shell]) -> None:
    """MariaDB taken out of the copy, and brought back as the page says."""
    file, register = "migrate_flow/dialects/mariadb.py", copy / "migrate_flow" / "core" / "dialects.py"
    entry, text = example("in migrate_flow/core/dialects.py"), register.read_text(encoding="utf-8")
    assert (ROOT / file).read_text(encoding="utf-8") == example(file)
    assert text.count(entry) == 1
    (copy / file).unlink()
    register.write_text(text.replace(entry, "").replace(', "mariadb"', ""), encoding="utf-8")
    shell = shop(copy)
    toml = shell.folder / "migrate-flow.toml"
    url = re.compile(r'^url = "sqlite:///dev.db"\ndialect = "sqlite"', re.M)
    changed, count = url.subn('url = "env:DEV_URL"\ndialect = "mariadb"', toml.read_text(encoding="utf-8"))
    assert count == 1
    before = toml.read_text(encoding="utf-8")
    toml.write_text(changed, encoding="utf-8")
    assert "mariadb" not in shell.error("status", code=2)["hint"]
    toml.write_text(before, encoding="utf-8")
    assert shell.json("plan", "--env", "dev", code=1)["environment"] == "dev", "the others are there"
    toml.write_text(changed, encoding="utf-8")
    write(copy, file)
    register.write_text(text, encoding="utf-8")
    (dev,) = (env for env in shell.json("env", "list")["environments"] if env["name"] == "dev")
    assert dev["dialect"] == "mariadb"
    done = python(copy, "-c", "from migrate_flow.dialects import dialect_for; print(dialect_for('mariadb').name)")
    assert done.stdout == "mariadb\n"


def test_each_dialect_has_an_entry_and_a_file() -> None:
    assert set(NAMES) == set(KINDS)
    for name, kind in KINDS.items():
        dialect = dialect_for(name)
        assert (dialect.name, dialect.journals, dialect.guard is not None) == (name, kind.parts, kind.guard)
    assert [name for name in NAMES if not (ROOT / "migrate_flow" / "dialects" / f"{name}.py").is_file()] == []


def test_the_files_that_the_page_names_are_there() -> None:
    made = {"migrate_flow/formats/lines.py", "migrate_flow/lint/rules/table_without_comment.py"}
    named = set(re.findall(r"[`\" ]((?:migrate_flow|tests)/[\w/.-]+\.\w+)[`\"]", PAGE))
    assert len(named) > 8
    made.add("tests/lint/cases/table-without-comment.toml")
    assert [name for name in named - made if not (ROOT / name).exists()] == []
