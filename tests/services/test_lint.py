"""What `check` hands to the linter: the SQL that a rehearsal saw."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from migrate_flow.bootstrap.wiring import lint_project
from migrate_flow.lint.recorded import SentSql
from migrate_flow.services.lint import Asked, run
from tests.support.project import Project, alembic_project

CONFIG = """[project]
name = "shop"
[environments.dev]
url = "postgresql://localhost/shop"
"""


def test_squawk_sees_what_was_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    alembic_project(tmp_path)
    (tmp_path / "migrate-flow.toml").write_text(CONFIG)
    add = 'op.execute("ALTER TABLE t ADD COLUMN c " + str(sa.CHAR(3)))'
    path = Project(tmp_path).script("aaaa", upgrade=add)
    line = path.read_text().splitlines().index(f"    {add}") + 1
    project = lint_project(tmp_path / "migrate-flow.toml", squawk=True)
    asked = Asked(("aaaa",), project.config.policy.document["lint"])

    def said(asked: Asked) -> list[tuple[str, int]]:
        return [(f.rule, f.line) for f in run(project, asked).findings if f.rule.startswith("squawk/")]

    assert said(asked) == []
    sent = (SentSql("ALTER TABLE t\nADD COLUMN c CHAR(3)", line),)
    assert said(replace(asked, sent={"aaaa": sent})) == [("squawk/ban-char-field", line)]
