"""The real squawk on SQL from scripts: one process for many, findings at the script's own lines."""

from __future__ import annotations

import shutil
import sys
import textwrap
from pathlib import Path

import pytest

from migrate_flow import squawk
from migrate_flow.core.finding import Finding, Severity
from migrate_flow.core.revision import Revision
from migrate_flow.lint.reading import read_script
from migrate_flow.lint.recorded import SentSql, with_sent
from migrate_flow.lint.script import Script, Settings
from migrate_flow.services.squawk_sql import SquawkFailed, findings, sql_files, without_twins


def script(upgrade: str, path: str = "a.py", head: str = "") -> Script:
    body = textwrap.indent(textwrap.dedent(upgrade).strip("\n"), "    ")
    source = f"from alembic import op\n{head}def upgrade():\n{body}\n"  # the body starts in line 3
    return read_script(path, source.encode(), Revision("aaaa"), Settings(frozenset({"postgresql"})))


def found(*scripts: Script, severity: dict[str, str] | None = None) -> list[Finding]:
    files = [file for one in scripts for file in sql_files(one)]
    return [finding for items in findings(squawk.lint(files), severity or {}).values() for finding in items]


def test_findings_are_at_the_scripts_own_lines() -> None:
    told = found(
        script(
            '''
            op.execute("SELECT 1")
            op.execute(
                """
                ALTER TABLE users
                  DROP COLUMN age;

                ALTER TABLE users
                  RENAME COLUMN a TO b
                """
            )
            op.execute("ALTER TABLE users "
                       "RENAME TO people")
            '''
        )
    )
    assert [(f.rule, f.line) for f in told] == [
        ("squawk/ban-drop-column", 7),
        ("squawk/renaming-column", 10),
        ("squawk/renaming-table", 13),
    ]
    assert {(f.severity, f.revision, f.path) for f in told} == {(Severity.WARNING, "aaaa", "a.py")}
    assert all(f.message and f.hint for f in told)


def test_many_scripts_at_once_say_nothing_about_each_other() -> None:
    broken = script("op.execute('ALTER TABLE')", "broken.py")
    makes = script("op.execute('CREATE TABLE made (id bigint)')", "makes.py")
    uses = script("op.execute('CREATE INDEX i ON made (id)')", "uses.py")
    told = {(f.path, f.rule) for f in found(broken, makes, uses)}
    assert told == {("broken.py", "squawk/syntax-error"), ("uses.py", "squawk/require-concurrent-index-creation")}


def test_more_scripts_than_one_command_line_holds() -> None:
    every = [script(f"op.execute('ALTER TABLE t{n} DROP COLUMN c')", f"{n}.py") for n in range(900)]
    assert {f.path for f in found(*every)} == {one.path for one in every}


def test_a_table_that_the_script_makes_is_used_by_nobody() -> None:
    index = "op.execute('CREATE INDEX i ON made (id)')"
    assert [f.rule for f in found(script(index))] == ["squawk/require-concurrent-index-creation"]
    assert found(script(f"op.create_table('made')\n{index}")) == []


def test_an_autocommit_block_is_no_transaction() -> None:
    index = "op.execute('CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (id)')"
    assert [f.rule for f in found(script(index))] == ["squawk/ban-concurrent-index-creation-in-transaction"]
    assert found(script(f"with op.get_context().autocommit_block():\n    {index}")) == []


def test_the_flow_sets_the_timeouts_itself() -> None:
    told = found(script("op.execute('CREATE INDEX i ON t (id)')"))
    assert [f.rule for f in told] == ["squawk/require-concurrent-index-creation"]


@pytest.mark.parametrize(
    "text",
    [
        "UPDATE t SET a = :a WHERE b = :b::int AND c = '12:30:00'",
        "UPDATE t SET a = %(a)s WHERE b = %s",
        r"UPDATE t SET a = b\:\:int",
        "SELECT 1; -- the end",
        "SELECT 1 -- the end",
    ],
)
def test_what_sqlalchemy_makes_of_a_text_is_no_syntax_error(text: str) -> None:
    assert found(script(f"op.execute({text!r})")) == []


def test_severity_is_the_projects() -> None:
    (finding,) = found(
        script("op.execute('ALTER TABLE t DROP COLUMN c')"), severity={"squawk/ban-drop-column": "error"}
    )
    assert finding.severity is Severity.ERROR


def test_recorded_statements_are_at_the_line_of_their_call() -> None:
    one = script("op.execute(made())")
    told = findings(squawk.lint(list(sql_files(with_sent(one, [SentSql("ALTER TABLE t\nDROP COLUMN c", 3)])))), {})
    assert [(f.rule, f.line) for f in told["a.py"]] == [("squawk/ban-drop-column", 3)]


def test_a_downgrade_is_not_looked_at() -> None:
    source = b"from alembic import op\ndef downgrade():\n    op.execute('ALTER TABLE t DROP COLUMN c')\n"
    assert list(sql_files(read_script("a.py", source))) == []


def test_what_our_own_rule_says_is_not_said_again() -> None:
    one = script(
        'op.execute(\n    """\n    SELECT 1;\n    ALTER TABLE t DROP COLUMN c\n    """\n)\nop.execute("SELECT 2")'
    )

    def finding(rule: str, line: int) -> Finding:
        return Finding(rule, Severity.ERROR, "aaaa", "a.py", line, "", "")

    twin, other = finding("squawk/ban-drop-column", 6), finding("squawk/ban-drop-table", 6)
    ours = finding("drop-column", 5)
    assert without_twins([ours, twin, other], one) == (ours, other)
    assert without_twins([twin, finding("drop-column", 9)], one)[0] == twin
    # of a recorded statement only the line of the call is known
    sent = [finding("squawk/ban-drop-column", 20), finding("drop-column", 20)]
    assert without_twins(sent, one) == (sent[1],)


def program(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A squawk of ours, found first."""
    path = folder / "squawk"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))


@pytest.mark.parametrize("text", ["exit 3", "echo no json; exit 1", "exit 1", "echo '{}'", "echo '[{}]'; exit 1"])
def test_one_that_does_not_answer_is_no_pass(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, text, monkeypatch)
    with pytest.raises(SquawkFailed):
        found(script("op.execute('SELECT 1')"))


def test_its_version_and_its_absence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert squawk.version()[:1].isdigit()
    program(tmp_path, "exit 1", monkeypatch)
    assert squawk.version() == ""
    shutil.rmtree(tmp_path)
    monkeypatch.setenv("PATH", "")
    assert squawk.version() == ""
