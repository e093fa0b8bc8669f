"""What `check` hands to the linter: the SQL that a rehearsal saw; and the silence of a squawk that was not asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from migrate_flow.bootstrap.wiring import lint_project
from migrate_flow.core.finding import Severity
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


@pytest.mark.parametrize(
    ("dialect", "severity", "asked", "found"),
    [
        ("postgresql", {"squawk/ban-char-field": "error"}, False, ["squawk/not-asked"]),
        ("postgresql", {"squawk/ban-char-field": "error"}, True, []),
        ("postgresql", {"squawk/ban-char-field": "warning"}, False, []),
        ("postgresql", {"drop-table": "error"}, False, []),
        ("postgresql", {}, False, []),
        ("sqlite", {"squawk/ban-char-field": "error"}, False, []),
    ],
)
def test_silence_is_no_pass_where_the_policy_counts_on_squawk(
    tmp_path: Path, dialect: str, severity: dict[str, str], asked: bool, found: list[str]
) -> None:
    alembic_project(tmp_path)
    (tmp_path / "migrate-flow.toml").write_text(CONFIG.replace("postgresql://localhost/shop", f"{dialect}:///shop"))
    path = Project(tmp_path).script("aaaa")
    project = lint_project(tmp_path / "migrate-flow.toml", squawk=asked)
    linted = run(project, Asked(("aaaa",), {**project.config.policy.document["lint"], "severity": severity}))
    unasked = [finding for finding in linted.findings if finding.rule == "squawk/not-asked"]
    assert [finding.rule for finding in unasked] == found
    for finding in unasked:
        assert (finding.severity, finding.revision) == (Severity.ERROR, "aaaa")
        assert tmp_path / finding.path == path
        assert finding.message.startswith("the policy makes squawk/ban-char-field an error")
        assert "--no-squawk" in finding.hint
        assert not linted.ok
