"""`rehearse`: what it says of scripts that can be undone, and of those that can't, in the installed command."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Terminal
from tests.support.alembic_projects import edit, make_project, put_under_the_flow
from tests.support.shell import Shell

_SCRIPT = '''\
"""{revision}"""

import os

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = {down!r}
branch_labels = None
depends_on = None


def upgrade() -> None:
    {upgrade}


def downgrade() -> None:
    {downgrade}
'''
_PEOPLE = 'op.create_table("people", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))'
_COPY = 'op.execute("CREATE TABLE copies AS SELECT id, full_name FROM people")'
# revision -> (parent, upgrade, downgrade)
HISTORY = {
    "a001": (None, _PEOPLE, 'op.drop_table("people")'),
    "a002": ("a001", 'op.add_column("people", sa.Column("age", sa.Integer))',
             'with op.batch_alter_table("people") as b: b.drop_column("age")'),
    "a003": ("a002", 'with op.batch_alter_table("people") as b: b.drop_column("age")',
             'op.add_column("people", sa.Column("age", sa.Integer))'),
    "a004": ("a003", 'with op.batch_alter_table("people") as b: b.alter_column("name", new_column_name="full_name")',
             'with op.batch_alter_table("people") as b: b.alter_column("full_name", new_column_name="name")'),
    "a005": ("a004", 'op.create_index("ix_people", "people", ["full_name"])', "pass"),
    "a006": ("a005", 'op.execute("CREATE TABLE notes (id INTEGER)")', 'raise RuntimeError("there is no way back")'),
    "a007": ("a006", 'op.execute("INSERT INTO notes VALUES (1), (2)")', "pass"),
    "a008": ("a007", _COPY, "os._exit(7)"),
    "a009": ("a008", "pass", "pass"),
    "b001": ("a009", 'op.execute("CREATE TABLE nowhere (id INTEGER REFERENCES")', "pass"),
    "b002": ("b001", "pass", "pass"),
    "c001": ("a009", 'op.execute("DELETE FROM notes")', "pass"),
}  # fmt: skip


def write(shell: Shell, revision: str, down: str | None, upgrade: str, downgrade: str) -> Path:
    path = shell.folder / "migrations" / "versions" / f"{revision}.py"
    path.write_text(_SCRIPT.format(revision=revision, down=down, upgrade=upgrade, downgrade=downgrade))
    return path


@pytest.fixture(scope="module")
def shell(terminal: Terminal, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    shell = terminal(tmp_path_factory.mktemp("rehearse") / "shop")
    make_project(shell)
    put_under_the_flow(shell, "dev=sqlite:///dev.db", "staging=sqlite:///staging.db")
    for revision, (down, upgrade, downgrade) in HISTORY.items():
        write(shell, revision, down, upgrade, downgrade)
    return shell


@pytest.fixture(scope="module")
def rehearsals(shell: Shell) -> dict[str, dict[str, Any]]:
    """One walk over everything, in two processes."""
    document = shell.json("rehearse", "--all", "--processes", "2", code=1)
    assert document["schema"] == "migrate-flow/rehearse/1"
    assert document["findings"] == []
    found = {one["revision"]: one for one in document["rehearsals"]}
    assert list(found) == list(HISTORY)  # in the graph's order
    return found


def steps(one: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(one[name] for name in ("upgrade", "downgrade", "reupgrade", "schema_restored", "grade"))


@pytest.mark.parametrize(
    ("revision", "expected"),
    [
        ("a001", (True, True, True, True, "lossless")),
        ("a002", (True, True, True, True, "lossless")),
        ("a003", (True, True, True, True, "lossy")),
        ("a004", (True, True, True, True, "lossless")),
        ("a005", (True, True, False, False, "irreversible")),
        ("a006", (True, False, None, None, "irreversible")),
        ("a007", (True, True, True, True, "lossless")),
        ("a008", (True, False, None, None, "irreversible")),
        ("a009", (True, True, True, True, "lossless")),
        ("b001", (False, None, None, None, None)),
        ("b002", (None, None, None, None, None)),
        ("c001", (True, True, True, True, "lossy")),
    ],
)
def test_each_revision_gets_its_grade(
    rehearsals: dict[str, dict[str, Any]], revision: str, expected: tuple[Any, ...]
) -> None:
    assert steps(rehearsals[revision]) == expected


def test_what_is_not_restored_is_named_object_by_object(rehearsals: dict[str, dict[str, Any]]) -> None:
    (difference,) = rehearsals["a005"]["differences"]
    assert difference["object"] == "index ix_people"
    assert (difference["kind"], difference["change"], difference["expected"]) == ("index", "added", "")


def test_the_error_names_the_step_and_its_cause(rehearsals: dict[str, dict[str, Any]]) -> None:
    assert "already exists" in rehearsals["a005"]["error"]
    assert rehearsals["a006"]["error"] == "downgrade: RuntimeError: there is no way back"
    assert "exit code 7" in rehearsals["a008"]["error"]
    assert "upgrade: OperationalError" in rehearsals["b001"]["error"]
    assert rehearsals["b002"]["error"] == "its ancestor b001 can't be applied"
    assert rehearsals["a001"]["error"] is None


def test_rows_are_reported_apart_from_the_schema(rehearsals: dict[str, dict[str, Any]]) -> None:
    assert rehearsals["a007"]["rows_restored"] is False
    assert any("rows of" in note and "notes" in note for note in rehearsals["a007"]["notes"])


def test_statements_are_recorded_with_the_line_that_sent_them(shell: Shell, rehearsals: dict[str, Any]) -> None:
    (sent,) = rehearsals["a006"]["statements"]["upgrade"]
    assert sent["sql"] == "CREATE TABLE notes (id INTEGER)"
    text = (shell.folder / "migrations" / "versions" / "a006.py").read_text().splitlines()
    assert "CREATE TABLE notes" in text[sent["line"] - 1]


def test_neither_ledger_nor_environments_are_touched(shell: Shell, rehearsals: dict[str, Any]) -> None:
    assert not (shell.folder / "dev.db").exists()
    assert not (shell.folder / "staging.db").exists()
    ledger = shell.folder / ".migrate-flow" / "ledger.db"
    hidden = ledger.rename(ledger.with_suffix(".away"))
    try:
        assert shell.json("rehearse", "a001")["rehearsals"][0]["grade"] == "lossless"
        # Without a revision the ledger says what is still to come.
        assert shell.error("rehearse", code=4)["code"] == "ledger"
    finally:
        hidden.rename(ledger)


def test_the_default_is_what_the_last_environment_lacks(shell: Shell) -> None:
    found = shell.json("rehearse", code=1)["rehearsals"]
    assert [one["revision"] for one in found] == list(HISTORY)


def test_a_revision_alone_starts_from_a_template(shell: Shell) -> None:
    first = shell.json("rehearse", "a004")["rehearsals"]
    templates = shell.home / "cache" / "migrate-flow" / "templates"
    kept = sorted(templates.glob("*.sqlite"))
    assert kept
    # A template that was tampered with is none.
    for path in kept:
        path.write_bytes(b"not a database")
    again = shell.json("rehearse", "a004")["rehearsals"]
    assert steps(first[0]) == steps(again[0]) == (True, True, True, True, "lossless")


def test_the_table_is_for_people(shell: Shell) -> None:
    done = shell.flow("rehearse", "a005", code=1)
    assert "irreversible" in done.out
    assert "added: index ix_people" in done.out
    assert "0 of 1 can be undone" in done.out
    assert "[1/1] a005" in done.err


def test_an_env_py_that_goes_elsewhere_is_refused_before_anything_runs(
    shell: Shell, terminal: Terminal, tmp_path: Path
) -> None:
    other = terminal(tmp_path / "other")
    make_project(other)
    put_under_the_flow(other)
    write(other, "a001", *HISTORY["a001"])
    elsewhere = tmp_path / "elsewhere.db"
    connect = sqlite3.connect(elsewhere)
    connect.execute("CREATE TABLE precious (id INTEGER)")
    connect.commit()
    before = elsewhere.read_bytes()
    edit(
        other.folder / "migrations" / "env.py",
        r"connectable = engine_from_config\([^)]*\)[^)]*\)",
        f"import sqlalchemy\n    connectable = sqlalchemy.create_engine('sqlite:///{elsewhere}')",
    )
    error = other.error("rehearse", "a001", code=2)
    assert "scratch database" in error["message"]
    assert "url_env" in error["hint"]
    assert elsewhere.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("rehearse", "zzzz"), 2, "zzzz"),
        (("rehearse", "a001", "--dialect", "oracle"), 2, "oracle"),
        (("rehearse", "a001", "--format", "yaml"), 2, "yaml"),
    ],
)
def test_wrong_words_are_one_error(shell: Shell, words: tuple[str, ...], code: int, said: str) -> None:
    done = shell.flow(*words, code=code)
    assert said in done.err
    assert done.err.count("error:") == 1
