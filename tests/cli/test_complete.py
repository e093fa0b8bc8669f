"""What a shell completes, asked as bash and zsh ask it, and what is loaded for that."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.project import ADA, BEN, CARLA, DORA, Project

# As the installed command starts; afterwards the large libraries that were loaded are told on stderr.
PROGRAM = """
import atexit, sys
sys.argv = ["migrate-flow"]
large = ("alembic", "sqlalchemy", "sqlmodel", "cryptography", "keyring", "psycopg", "sqlglot")
atexit.register(lambda: print(*[name for name in large if name in sys.modules], file=sys.stderr))
from migrate_flow.__main__ import main
main()
"""


def complete(words: str, shell: str = "bash") -> list[str]:
    """The completions of the last word, which may be empty."""
    count = len(words.split()) - (not words.endswith(" "))
    asked = {"_MIGRATE_FLOW_COMPLETE": f"complete_{shell}", "COMP_WORDS": words, "COMP_CWORD": str(count)}
    asked["_TYPER_COMPLETE_ARGS"] = words
    environ = {**os.environ, **asked}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environ, capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "", done.stderr
    return list(filter(None, done.stdout.splitlines()))


@pytest.fixture
def shop(project: Project) -> Project:
    project.script("a00000000001")
    project.script("a00000000002", "a00000000001")
    project.script("b00000000003", "a00000000002")
    return project


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("migrate-flow show a", ["a00000000002", "a00000000001"]),
        ("migrate-flow show ", ["head", "b00000000003", "a00000000002", "a00000000001"]),
        ("migrate-flow check b", ["b00000000003"]),
        ("migrate-flow rollback --env dev --to a00000000001 --to b", ["b00000000003"]),
        ("migrate-flow plan --env ", ["dev", "staging", "production"]),
        ("migrate-flow apply head --env pro", ["production"]),
        ("migrate-flow compare dev s", ["staging"]),
        ("migrate-flow env test d", ["dev"]),
        ("migrate-flow --as b", [BEN]),
        ("migrate-flow approve a00000000001 --as ", [CARLA, ADA, BEN, DORA]),
        ("migrate-flow people remove d", [DORA]),
        ("migrate-flow stat", ["status"]),
    ],
)
def test_completions(shop: Project, words: str, expected: list[str]) -> None:
    assert complete(words) == expected


def test_what_is_said_beside_them(shop: Project) -> None:
    (line,) = complete("migrate-flow show b", "zsh")
    assert "make t_b00000000003" in line
    (line,) = complete("migrate-flow plan --env pro", "zsh")
    assert "after staging" in line


def test_with_a_configuration_elsewhere(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop.folder.parent)
    assert complete("migrate-flow show b") == []
    assert complete("migrate-flow --config shop/migrate-flow.toml show b") == ["b00000000003"]


def test_a_broken_configuration_completes_nothing(shop: Project) -> None:
    (shop.folder / "migrate-flow.toml").write_text("broken [")
    assert complete("migrate-flow show b") == []
