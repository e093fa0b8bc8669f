"""What the pages show besides commands (of which tests/acceptance/test_how_to.py tells): who holds it to the truth."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.config.test_schema import SCHEMA, flaws
from tests.docs.site import DOCS, ROOT

FENCE = re.compile(r"^```(\w*).*\n((?:.*\n)*?)^```$", re.M)
# The pages of docs/reference are made of the code, by the modules that they name.
HELD = {
    ("explanation/guard.md", ""): "tests/dialects/test_guard_postgresql.py",
    ("explanation/separation-of-duties.md", "json"): "tests/acceptance/test_separation.py",
    ("how-to/adopt.md", "sql"): "tests/acceptance/test_how_to.py",
    ("how-to/ci.md", "python"): "tests/lint/test_waivers.py",
    ("how-to/ci.md", "yaml"): "tests/acceptance/test_ci.py",
    ("how-to/drift.md", "python"): "tests/acceptance/test_require_flow.py",
    ("how-to/extend.md", "python"): "tests/docs/test_extend.py",
    ("how-to/extend.md", "toml"): "tests/docs/test_extend.py",
    ("how-to/guard.md", "sql"): "tests/acceptance/test_how_to_postgresql.py",
    ("how-to/hooks.md", "json"): "tests/acceptance/test_hooks.py",
    ("how-to/hooks.md", "python"): "tests/acceptance/test_how_to.py",
    ("how-to/lint.md", "python"): "tests/docs/test_extend.py",
    ("how-to/recover.md", "sql"): "tests/acceptance/test_how_to_postgresql.py",
    ("how-to/zero-downtime.md", "python"): "tests/docs/test_zero_downtime.py",
    ("tutorial.md", "python"): "tests/acceptance/test_tutorial.py",
    ("tutorial-bad-day.md", "python"): "tests/acceptance/test_tutorial.py",
}


def blocks() -> Iterator[tuple[str, str, str]]:
    """Page, language, text."""
    for path in sorted(DOCS.rglob("*.md")):
        name = path.relative_to(DOCS).as_posix()
        if not name.startswith("reference/"):
            yield from ((name, block[1], block[2]) for block in FENCE.finditer(path.read_text(encoding="utf-8")))


TOML = [(name, text) for name, language, text in blocks() if language == "toml" and (name, language) not in HELD]


@pytest.mark.parametrize(("name", "text"), TOML, ids=[name for name, _ in TOML])
def test_what_stands_in_a_configuration_is_known(name: str, text: str) -> None:
    """A page shows a part: what is required besides is left out."""
    assert [flaw for flaw in flaws(SCHEMA, tomllib.loads(text)) if ": no " not in flaw] == []


def test_each_block_is_run_or_named() -> None:
    found = {(name, language) for name, language, _ in blocks() if language not in ("console", "sh")}
    assert found - {(name, "toml") for name, _ in TOML} == set(HELD)
    assert [file for file in HELD.values() if not Path(ROOT, file).exists()] == []
