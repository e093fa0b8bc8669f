"""The layers hold, the shell starts light, and no file or function outgrows a screenful or two."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGE = REPOSITORY / "migrate_flow"

FILE_LINES = 350
FUNCTION_LINES = 60

# What `--help` and `--version` must not pay for: together more than a second of imports.
HEAVY = ("alembic", "sqlalchemy", "rich")

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


def test_imports_point_down() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [program, "--no-cache", "--no-logo"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"lint-imports:\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_the_shell_starts_light(option: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, option], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stderr.splitlines()[-1])
    assert told["code"] in (0, None), done.stderr
    assert done.stdout.strip()
    assert [name for name in HEAVY if name in told["modules"]] == []


def test_no_file_is_too_long() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert [f"{_place(path)}: {n} lines" for path, n in lengths.items() if n > FILE_LINES] == []


def test_no_function_is_too_long() -> None:
    found = [
        f"{_place(path)}:{line} {name}: {length} lines"
        for path in PACKAGE.rglob("*.py")
        for name, line, length in _functions(path.read_text(), _place(path))
        if length > FUNCTION_LINES
    ]
    assert found == []


def test_a_function_is_measured_from_def_to_its_last_line() -> None:
    source = "@decorated\nasync def outer(\n    x: int,\n) -> int:\n    def inner() -> int:\n        return x\n\n"
    source += "    return inner()\n\n\n"
    assert list(_functions(source, "here.py")) == [("outer", 2, 7), ("inner", 5, 2)]


def _functions(source: str, place: str) -> Iterator[tuple[str, int, int]]:
    """Name, line and length in lines of every function, nested ones too."""
    for node in ast.walk(ast.parse(source, place)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1


def _place(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()
