"""Rehearsals of real histories, held against what plain Alembic gave step by step (tests/data/truth)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import real_projects
from tests.acceptance.conftest import Terminal
from tests.acceptance.real_projects import ARGILLA, Project
from tests.support.alembic_projects import edit
from tests.support.postgres import PostgresServer

TRUTH = Path(__file__).parents[1] / "data" / "truth"
# Their name for it, and ours.
SAID = {
    "upgrade_ok": lambda one: one["upgrade"],
    "downgrade_ok": lambda one: one["downgrade"],
    "reupgrade_ok": lambda one: one["reupgrade"],
    "schema_restored": lambda one: one["schema_restored"],
    "rows_restored": lambda one: one["rows_restored"],
    "reupgrade_same": lambda one: one["reupgrade_same"],
    "empty_schema_step": lambda one: None if one["schema_changed"] is None else not one["schema_changed"],
}

Disagreement = tuple[str, str, Any, Any]


def truth_of(name: str, dialect: str) -> dict[str, dict[str, Any]]:
    found = json.loads((TRUTH / f"{name}.{dialect}.json").read_text())
    return dict(found["revisions"])


def compare(truth: Mapping[str, Mapping[str, Any]], document: Mapping[str, Any]) -> tuple[int, list[Disagreement]]:
    """How many answers are the same, and (revision, question, their answer, ours) of those that are not."""
    ours = {one["revision"]: one for one in document["rehearsals"]}
    assert ours.keys() == truth.keys()
    answers = [
        (revision, question, row[question], ask(ours[revision]))
        for revision, row in truth.items()
        for question, ask in SAID.items()
    ]
    apart = [answer for answer in answers if answer[2] != answer[3]]
    return len(answers) - len(apart), apart


def report(name: str, dialect: str, agreed: int, apart: list[Disagreement]) -> None:
    of = agreed + len(apart)
    print(f"\n{name} on {dialect}: {agreed} of {of} answers agree ({100 * agreed / of:.1f} %)")
    for revision, question, theirs, ours in apart:
        print(f"  {revision} {question}: plain Alembic {theirs}, rehearsal {ours}")


@pytest.fixture(scope="module")
def lay_out(
    terminal: Terminal, tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer
) -> Callable[[str, str], Project]:
    def make(name: str, dialect: str) -> Project:
        folder = tmp_path_factory.mktemp(f"{name}-{dialect}")
        return real_projects.lay_out(name, dialect, terminal(folder / "project"), postgres.url("postgres"))

    return make


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_argilla(lay_out: Callable[[str, str], Project], dialect: str) -> None:
    document = lay_out(ARGILLA, dialect).rehearse()
    truth = truth_of(ARGILLA, dialect)
    agreed, apart = compare(truth, document)
    report(ARGILLA, dialect, agreed, apart)
    assert (agreed, apart) == (24 * len(SAID), [])
    # An altered row of the truth is noticed.
    altered = {revision: dict(row) for revision, row in truth.items()}
    altered["d00f819ccc67"]["schema_restored"] = False
    assert compare(altered, document)[1] == [("d00f819ccc67", "schema_restored", False, True)]


def test_a_broken_downgrade_is_noticed(lay_out: Callable[[str, str], Project]) -> None:
    project = lay_out(ARGILLA, "sqlite")
    (script,) = project.shell.folder.glob("migrations/versions/7850ab5b42d9*.py")
    edit(script, r"def downgrade\(\)[^\n]*\n", "def downgrade() -> None:\n    return\n")
    agreed, apart = compare(truth_of(ARGILLA, "sqlite"), project.rehearse())
    assert ("7850ab5b42d9", "schema_restored", True, False) in apart
    assert {revision for revision, *_ in apart} == {"7850ab5b42d9"}
    assert agreed == 24 * len(SAID) - len(apart)


@pytest.mark.real
@pytest.mark.timeout(1500)
@pytest.mark.parametrize(
    ("name", "dialect"),
    [
        ("ckan", "postgresql"),
        ("optuna", "sqlite"),
        ("optuna", "postgresql"),
        ("keystone", "sqlite"),
        ("keystone", "postgresql"),
    ],
)
def test_projects_from_the_package_index(lay_out: Callable[[str, str], Project], name: str, dialect: str) -> None:
    project = lay_out(name, dialect)
    agreed, apart = compare(truth_of(name, dialect), project.rehearse())
    report(name, dialect, agreed, apart)
    assert set(apart) == real_projects.EXPLAINED.get((name, dialect), set())
