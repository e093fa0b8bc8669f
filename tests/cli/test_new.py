"""`new`: the sections that lint asks for, in whatever the project's own template makes of a docstring."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from migrate_flow.lint.sections import sections
from tests.support.project import ADA, CARLA, Project

WHY, BACK = "Support writes remarks into the name.", "Nothing: the column is empty by then."
DOCUMENTED = ("--rationale", WHY, "--rollback", BACK)
CODE = """

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade():
    pass


def downgrade():
    pass
"""


def made(project: Project, *words: str) -> Path:
    return project.folder / project.json("new", *words, actor=ADA)["path"]


def doc(path: Path) -> dict[str, str]:
    """The docstring's sections, and what stands above them as "". Alembic's own lines are left out."""
    text = ast.get_docstring(ast.parse(path.read_bytes()))
    assert text is not None
    alembics = ("revision id", "revises", "create date")
    return {"": text.split("\n", 1)[0]} | {name: said for name, said in sections(text).items() if name not in alembics}


def findings(project: Project, path: Path) -> list[tuple[str, str]]:
    """Rule, and the section that it speaks of."""
    found = project.run("lint", path.name.partition("_")[0], "--format", "json").json["findings"]
    return [(f["rule"], *re.findall(r'section "(.*?):"', f["message"])) for f in found]


def promise(project: Project, *globs: str) -> None:
    file = project.folder / "migrate-flow.toml"
    text = re.sub(r"(?m)^\[lint\]\n", "", file.read_text())
    file.write_text(f"{text}\n[lint]\ncontract_tables = {list(globs)}\n")
    project.flow("policy", "record", actor=CARLA)


def test_a_script_that_nobody_completed_is_told_as_unfinished(project: Project) -> None:
    path = made(project, "-m", "add orders.note")
    assert path.read_text().startswith(
        inspect.cleandoc('''
        """add orders.note

        Rationale:
            Say why this change is needed, and what it is worth.

        Rollback:
            Say what the downgrade does, and what is lost by it.

        Revision ID: ''')
    )
    assert findings(project, path) == [("placeholder-text", "Rationale"), ("placeholder-text", "Rollback")]
    project.flow("lint", path.name.partition("_")[0], code=1)


def test_what_the_author_says_stands_there_as_it_is(project: Project) -> None:
    path = made(project, "-m", "add orders.note", *DOCUMENTED)
    assert doc(path) == {"": "add orders.note", "rationale": WHY, "rollback": BACK}
    assert findings(project, path) == []
    odd = 'Paths as C:\\new\\x, "quotes" and \\d+;\nsee #12 – žluť'
    path = made(project, "-m", "next", "--rationale", odd, "--rollback", "back to C:\\")
    assert doc(path)["rationale"].split("\n") == odd.split("\n")
    assert doc(path)["rollback"] == "back to C:\\"


@pytest.mark.parametrize("option", ["-m", "--rationale", "--rollback"])
@pytest.mark.parametrize("text", ['"""', "x'''\nimport os\n'''", "left\u202eright", "\x1b[2J", "\udce9"])
def test_what_would_become_code_or_is_invisible_is_refused(project: Project, option: str, text: str) -> None:
    words = {"-m": "x", option: text}
    error = project.json("new", *(word for pair in words.items() for word in pair), actor=ADA, code=2)["error"]
    assert error["where"] == option
    assert list((project.folder / "migrations" / "versions").glob("*.py")) == []


def test_the_contract_is_asked_about_where_its_tables_may_be_touched(project: Project) -> None:
    promise(project, "api_*", "orders")
    path = made(project, "-m", "to be written", *DOCUMENTED)
    assert list(doc(path)) == ["", "rationale", "contract mapping", "rollback"]
    assert "api_*, orders" in doc(path)["contract mapping"]
    assert findings(project, path) == [("placeholder-text", "Contract mapping")]


@pytest.mark.parametrize(("name", "asked"), [("api_orders", True), ("internal", False)])
def test_of_generated_operations_it_is_known(project: Project, name: str, asked: bool) -> None:
    promise(project, "api_*")
    env = project.folder / "migrations" / "env.py"
    models = (
        f'import sqlalchemy as sa\ntarget_metadata = sa.MetaData()\nsa.Table("{name}", target_metadata, sa.Column("id"'
    )
    env.write_text(env.read_text().replace("target_metadata = None", f"{models}, sa.Integer))"))
    path = made(project, "-m", "from the models", "--autogenerate", *DOCUMENTED)
    assert f'op.create_table("{name}"'.replace('"', "'") in path.read_text()
    expected = [("placeholder-text", "Contract mapping")] if asked else []
    assert [found for found in findings(project, path) if len(found) > 1] == expected
    assert ("contract mapping" in doc(path)) is asked


def test_a_merge_changes_nothing_and_needs_no_word(project: Project) -> None:
    promise(project, "api_*")
    project.script("aaaa01")
    for revision in ("bbbb01", "bbbb02"):
        project.script(revision, "aaaa01")
    path = made(project, "-m", "merge both", "--merge", "bbbb01", "bbbb02")
    assert doc(path) == {"": "merge both"}
    assert findings(project, path) == []
    project.script("bbbb03", "aaaa01")
    path = made(project, "-m", "merge all", "--rationale", WHY, "--merge", "heads")
    assert doc(path) == {"": "merge all", "rationale": WHY}


# The template's text, and what becomes of it without and with the author's words.
ADDED = {
    "rationale": "Say why this change is needed, and what it is worth.",
    "rollback": "Say what the downgrade does, and what is lost by it.",
}
SAID = {"rationale": WHY, "rollback": BACK}
TEMPLATES: dict[str, tuple[str, dict[str, str], dict[str, str]]] = {
    "one-line": ('"""${message}"""', ADDED, SAID),
    "one-quote": ("'${message}'", ADDED, SAID),
    "comments-first": ('#!/usr/bin/env python\n# coding: utf-8\n\n"""${message}\n"""', ADDED, SAID),
    "latin-1": ('# coding: latin-1\n"""${message}\n"""', ADDED, SAID),
    "raw": ('r"""\n${message}\n\nRevises: \\d\n"""', ADDED, SAID),
    "no-docstring": ("# Copyright\nimport os", ADDED, SAID),
    "windows": ('"""${message}\r\n\r\nRevision ID: ${up_revision}\r\n"""\r\n', ADDED, SAID),
    "empty-sections": ('"""${message}\n\nRationale:\n\nRollback:\n"""', ADDED, SAID),
    "questions": ('"""${message}\n\nWhy: TODO\n\nRollback:\n\n  ...\n\nOwner: shop\n"""',
                  {"why": "TODO", "rollback": "...", "owner": "shop"}, {"why": WHY, "rollback": BACK, "owner": "shop"}),
    "underlined": ('"""${message}\n\nRationale\n---------\nTODO\n\nRollback\n--------\n"""',
                   {"rationale": "TODO", "rollback": ADDED["rollback"]}, SAID),
    "a-text-of-its-own": ('"""${message}\n\nRationale: as the board decided\n"""',
                          {"rationale": "as the board decided", "rollback": ADDED["rollback"]},
                          {"rationale": f"as the board decided\n{WHY}", "rollback": BACK}),
    "unreadable": ('__doc__ = "${message}" "more"', ADDED, SAID),
    "broken-below": ('"""${message}\n"""\nBROKEN', ADDED, SAID),
}  # fmt: skip


@pytest.mark.parametrize(("head", "bare", "said"), TEMPLATES.values(), ids=TEMPLATES)
def test_templates_of_the_projects_own(project: Project, head: str, bare: dict[str, str], said: dict[str, str]) -> None:
    template = project.folder / "migrations" / "script.py.mako"
    template.write_bytes((head + CODE).encode())
    for words, expected in (((), bare), (DOCUMENTED, said)):
        path = made(project, "-m", "add orders.note", *words)
        assert doc(path) == {"": "add orders.note"} | expected
        assert b"\n" not in path.read_bytes().replace(b"\r\n", b"") or "\r\n" not in head
