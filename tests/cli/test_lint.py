"""`lint` from outside: what is looked at, exit codes, the document, and what people read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from migrate_flow.lint.catalogue import built_in
from tests.support.project import ADA, Project, alembic_project

CONFIG = """[project]
name = "shop"
[environments.dev]
url = "postgresql://localhost/shop"
[environments.production]
url = "env:NOT_SET_ANYWHERE"
dialect = "postgresql"
upstream = ["dev"]
[lint]
severity = {{ {severity} }}
"""
TRUNCATE = 'op.execute("TRUNCATE sessions")'
# As calm as a script can be: only what a test writes is found.
OFF = ("irreversible-operation", "undocumented-raw-sql", "empty-downgrade", "downgrade-not-inverse", "drop-table")


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Two environments on PostgreSQL, nobody in [people], no ledger; the current folder."""
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    alembic_project(folder)
    configure(folder)
    return Project(folder)


def configure(folder: Path, *more: str) -> None:
    severity = ", ".join([*(f'{slug} = "off"' for slug in OFF), *more])
    (folder / "migrate-flow.toml").write_text(CONFIG.format(severity=severity))


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)


def rules(document: Any) -> list[tuple[str, str, int]]:
    return [(f["rule"], f["severity"], f["line"]) for f in document["findings"]]


def test_the_document(bare: Project) -> None:
    path = bare.script("aaaa", upgrade=TRUNCATE)
    document = bare.json("lint", "aaaa", code=1)

    assert document["schema"] == "migrate-flow/lint/1"
    assert (document["revisions"], document["rehearsals"], document["notes"]) == (["aaaa"], [], [])
    assert (document["rules"] > 10, document["rule_set"][:2], document["squawk"][:1].isdigit()) == (True, "1:", True)
    (finding,) = document["findings"]
    assert finding.pop("message")
    assert finding.pop("hint")
    line = path.read_text().splitlines().index(f"    {TRUNCATE}") + 1
    assert finding == {
        "rule": "truncate",
        "severity": "error",
        "revision": "aaaa",
        "path": "migrations/versions/aaaa.py",
        "line": line,
        "waived": False,
        "reason": None,
        "source": f"    {TRUNCATE}",
        "needs_rehearsal": False,
    }


def test_the_text_shows_line_and_fix(bare: Project) -> None:
    bare.script("aaaa", upgrade=TRUNCATE)
    out = bare.flow("lint", "aaaa", code=1).out
    assert out.splitlines()[0] == "migrations/versions/aaaa.py"
    assert "error truncate: TRUNCATE deletes every row of sessions" in out
    assert f"| {TRUNCATE}" in out
    assert "fix: delete the rows of sessions" in out
    assert out.splitlines()[-1].startswith("1 error in 1 script, by ")


def test_nothing_found(bare: Project) -> None:
    bare.script("aaaa")
    answer = bare.flow("lint", "aaaa")
    assert answer.out.startswith("nothing found in 1 script, by ")
    assert bare.json("lint", "aaaa")["findings"] == []


def test_a_waived_error_passes_and_is_shown(bare: Project) -> None:
    bare.script("aaaa", upgrade=f"{TRUNCATE}  # migrate-flow: ignore[truncate] they log in again")
    answer = bare.flow("lint", "aaaa")
    assert "waived truncate: they log in again" in answer.out
    assert "1 waived in 1 script" in answer.out
    (finding,) = bare.json("lint", "aaaa")["findings"]
    assert (finding["waived"], finding["reason"]) == (True, "they log in again")


def test_only_errors_refuse(bare: Project) -> None:
    bare.script("aaaa", upgrade=TRUNCATE)
    configure(bare.folder, 'truncate = "warning"')
    assert [f["severity"] for f in bare.json("lint", "aaaa")["findings"]] == ["warning"]
    configure(bare.folder, 'truncate = "off"')
    assert bare.json("lint", "aaaa")["findings"] == []


def test_squawk_at_the_scripts_line(bare: Project) -> None:
    path = bare.script(
        "aaaa", upgrade='op.execute("""\n        SELECT 1;\n        ALTER TABLE users ADD x char(3)\n    """)'
    )
    (finding,) = [f for f in bare.json("lint", "aaaa")["findings"] if f["rule"].startswith("squawk/")]
    assert finding["rule"] == "squawk/ban-char-field"
    assert path.read_text().splitlines()[finding["line"] - 1].strip() == "ALTER TABLE users ADD x char(3)"
    document = bare.json("lint", "aaaa", "--no-squawk")
    assert (document["findings"], document["squawk"]) == ([], None)
    assert document["notes"] == ["squawk was not asked: --no-squawk"]


def test_without_squawk_it_says_so(bare: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare.script("aaaa")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "elsewhere" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = bare.flow("lint", "aaaa")
    assert "note: squawk is not installed" in answer.out
    assert "pip install 'migrate-flow[postgresql]'" in answer.out


def test_several_revisions_in_the_order_of_the_graph(bare: Project) -> None:
    bare.script("bbbb", "aaaa", upgrade=TRUNCATE)
    bare.script("aaaa", upgrade=TRUNCATE)
    bare.script("cccc", "bbbb", upgrade=TRUNCATE)
    document = bare.json("lint", "bbbb", "aaaa", code=1)
    assert document["revisions"] == ["aaaa", "bbbb"]
    assert [f["revision"] for f in document["findings"]] == ["aaaa", "bbbb"]


def test_since_a_commit_only_what_changed_is_looked_at(bare: Project) -> None:
    bare.script("aaaa", upgrade=TRUNCATE)
    bare.script("bbbb", "aaaa", upgrade=TRUNCATE)
    git(bare.folder, "init", "-q", "-b", "main")
    git(bare.folder, "add", "-A")
    git(bare.folder, "commit", "-q", "-m", "first")
    git(bare.folder, "switch", "-q", "-c", "topic")
    assert bare.json("lint", "--since", "main")["revisions"] == []

    bare.script("cccc", "bbbb", upgrade=TRUNCATE)
    git(bare.folder, "add", "-A")
    git(bare.folder, "commit", "-q", "-m", "committed")
    bare.script("dddd", "cccc", upgrade=TRUNCATE)  # not yet known to git
    script = bare.folder / "migrations" / "versions" / "aaaa.py"
    script.write_text(script.read_text() + "# edited\n")
    assert bare.json("lint", "--since", "main", code=1)["revisions"] == ["aaaa", "cccc", "dddd"]

    # what main got meanwhile is not this branch's
    git(bare.folder, "stash", "-q", "-u")
    git(bare.folder, "switch", "-q", "main")
    (bare.folder / "migrations" / "versions" / "bbbb.py").unlink()
    git(bare.folder, "commit", "-q", "-a", "-m", "gone")
    git(bare.folder, "switch", "-q", "topic")
    assert bare.json("lint", "--since", "main", code=1)["revisions"] == ["cccc"]


def test_since_an_unknown_commit(bare: Project) -> None:
    bare.script("aaaa")
    assert "git repository" in bare.flow("lint", "--since", "main", code=2).err
    git(bare.folder, "init", "-q", "-b", "main")
    git(bare.folder, "add", "-A")
    git(bare.folder, "commit", "-q", "-m", "first")
    answer = bare.flow("lint", "--since", "origin/main", code=2)
    assert "'origin/main'" in answer.err
    assert "unshallow" in answer.err
    bare.flow("lint", "--since=--output=x", code=2)
    assert not (bare.folder / "x").exists()
    assert bare.flow("lint", "aaaa", "--since", "main", code=2)


def test_without_rev_the_ledger_is_needed(bare: Project) -> None:
    bare.script("aaaa")
    answer = bare.flow("lint", code=4)
    assert "name revisions" in answer.err
    assert "--since GIT_REF" in answer.err
    assert not (bare.folder / ".migrate-flow").exists()


def test_without_rev_what_is_not_applied_everywhere(project: Project) -> None:
    assert project.json("lint")["revisions"] == []
    project.script("aaaa")
    project.approved("aaaa")
    for environment in ("dev", "staging"):
        project.flow("apply", "--env", environment, actor=ADA)
    project.script("bbbb", "aaaa", upgrade=TRUNCATE)
    assert project.json("lint", code=1)["revisions"] == ["aaaa", "bbbb"]
    project.flow("apply", "aaaa", "--env", "production", actor=ADA)
    document = project.json("lint", code=1)
    assert document["revisions"] == ["bbbb"]
    assert document["squawk"] is None  # no PostgreSQL here, so nothing to say of it
    assert document["notes"] == []


def test_without_rev_the_policy_in_force_decides(project: Project) -> None:
    project.script("aaaa", upgrade=TRUNCATE)
    file = project.folder / "migrate-flow.toml"
    file.write_text(file.read_text() + '\n[lint.severity]\ntruncate = "off"\n')
    document = project.json("lint", code=1)
    assert "truncate" in [f["rule"] for f in document["findings"]]
    assert "policy in force" in document["notes"][0]
    assert "truncate" not in [f["rule"] for f in project.run("lint", "aaaa", "--format", "json").json["findings"]]


def test_what_is_wrong_between_the_files(bare: Project) -> None:
    bare.script("aaaa")
    bare.script("bbbb", "lost")
    versions = bare.folder / "migrations" / "versions"
    (versions / "copy.py").write_text((versions / "aaaa.py").read_text())
    (versions / "noheader.py").write_text("import os\n")
    (versions / "latin.py").write_bytes("# é\n".encode("latin-1"))
    git(bare.folder, "init", "-q", "-b", "main")
    git(bare.folder, "add", "-A")
    git(bare.folder, "commit", "-q", "-m", "first")

    document = bare.json("lint", "--since", "main", code=1)

    assert document["revisions"] == []
    found = {(f["rule"], Path(f["path"]).name) for f in document["findings"] if f["severity"] == "error"}
    assert found == {
        ("missing-parent", "bbbb.py"),
        ("duplicate-revision", "copy.py"),
        ("unusable-script", "noheader.py"),
        ("not-utf8", "latin.py"),
    }
    # one that is asked for by its id is not refused for the others
    assert bare.json("lint", "aaaa")["revisions"] == ["aaaa"]


def test_a_syntax_error_below_the_header(bare: Project) -> None:
    path = bare.script("aaaa")
    path.write_text(path.read_text() + "def upgrade(:\n")
    document = bare.json("lint", "aaaa", code=1)
    assert ("syntax-error", "error", len(path.read_text().splitlines())) in rules(document)


def test_branches_with_labels_of_their_own_may_each_have_a_head(bare: Project) -> None:
    for revision, label in (("aaaa", "one"), ("bbbb", "two")):
        path = bare.script(revision)
        path.write_text(path.read_text().replace("branch_labels = None", f'branch_labels = "{label}"'))
    assert bare.json("lint", "aaaa")["findings"] == []
    bare.script("cccc")
    bare.script("dddd")
    found = bare.run("lint", "cccc", "aaaa", "--format", "json").json["findings"]
    assert {(f["rule"], f["revision"]) for f in found} == {("multiple-heads", "cccc")}


def test_rules_of_the_project(bare: Project) -> None:
    bare.script("aaaa")
    config = bare.folder / "migrate-flow.toml"
    config.write_text(config.read_text() + 'plugins = ["shop_lint_rules"]\n')
    answer = bare.flow("lint", "aaaa", code=2)
    assert "shop_lint_rules" in answer.err
    (bare.folder / "shop_lint_rules.py").write_text(
        '"""Never on a Friday."""\n'
        "from migrate_flow.lint.rule import Group, Hit, Rule\n\n\n"
        "def check(script):\n"
        '    yield Hit(0, "never", "wait")\n\n\n'
        'RULE = Rule("friday", Group.STYLE, check)\n'
    )
    assert [f["rule"] for f in bare.json("lint", "aaaa", code=1)["findings"]] == ["friday"]
    assert "Never on a Friday." in bare.flow("lint", "--explain", "friday").out


def test_names_are_the_projects(bare: Project) -> None:
    bare.script("aaaa", upgrade='op.create_unique_constraint("uq_t_a", "t", ["a"])')
    config = bare.folder / "migrate-flow.toml"
    plain = config.read_text()
    told = ("constraint-naming", "revision-id-format")

    def found() -> list[str]:
        document = bare.run("lint", "aaaa", "--format", "json").json
        return sorted(f["rule"] for f in document["findings"] if f["rule"] in told)

    assert found() == []
    config.write_text(plain + 'constraint_names = { uq = "unique_{table}_.+" }\nrevision_pattern = "[0-9]+"\n')
    assert found() == sorted(told)
    config.write_text(plain + 'constraint_names = { uq = "uq_{table}_.+" }\nrevision_pattern = "[a-z]+"\n')
    assert found() == []
    config.write_text(plain + 'constraint_names = { uq = "(" }\n')
    assert "regular expression" in bare.flow("lint", "aaaa", code=2).err


def test_a_severity_for_a_rule_that_there_is_not(bare: Project) -> None:
    bare.script("aaaa")
    configure(bare.folder, 'trunkate = "error"')
    answer = bare.flow("lint", "aaaa", code=2)
    assert "did you mean truncate?" in answer.err
    configure(bare.folder, '"squawk/whatever" = "error"')
    bare.flow("lint", "aaaa")


@pytest.mark.parametrize("rule", ["truncate", "unused-waiver", "squawk/ban-drop-column"])
def test_explain_outside_of_a_project(rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    outside = Project(tmp_path)
    page = outside.flow("lint", "--explain", rule).out
    assert page.splitlines()[0] == rule
    assert outside.json("lint", "--explain", rule)["documentation"].splitlines()[0] in page


def test_explain_every_rule_and_none_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    outside = Project(tmp_path)
    assert all("Use:" in outside.json("lint", "--explain", rule.slug)["documentation"] for rule in built_in())
    answer = outside.flow("lint", "--explain", "trunkate", code=2)
    assert "truncate" in answer.err


def test_wrong_use(bare: Project) -> None:
    bare.script("aaaa")
    assert "zzzz" in bare.flow("lint", "zzzz", code=2).err
    bare.flow("lint", "aaaa", "--format", "yaml", code=2)


def test_into_a_file(bare: Project) -> None:
    bare.script("aaaa", upgrade=TRUNCATE)
    answer = bare.flow("lint", "aaaa", "--format", "json", "--output", "found.json", code=1)
    assert answer.out == ""
    assert json.loads((bare.folder / "found.json").read_text())["schema"] == "migrate-flow/lint/1"


def test_no_script_is_run(bare: Project) -> None:
    path = bare.script("aaaa")
    path.write_text(path.read_text() + "open('touched', 'w').close()\n")
    bare.run("lint", "aaaa")
    assert not (bare.folder / "touched").exists()
