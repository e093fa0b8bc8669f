"""The layers hold, and no file or function outgrows a screenful or two."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PACKAGE = REPOSITORY / "migrate_flow"

FILE_LINES = 350
FUNCTION_LINES = 60


def test_imports_point_down() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [program, "--no-cache", "--no-logo"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"lint-imports:\n{done.stdout}{done.stderr}"


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
