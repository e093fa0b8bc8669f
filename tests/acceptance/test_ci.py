"""What a project's CI runs: `check` in its formats, the hooks for pre-commit, and the examples in the documentation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.conftest import Terminal
from tests.support.alembic_projects import make_project, put_under_the_flow, write_script
from tests.support.shell import Shell

REPOSITORY = Path(__file__).parents[2]
SCHEMA = REPOSITORY / "tests" / "data" / "sarif-schema-2.1.0.json"


@pytest.fixture(scope="module")
def shell(terminal: Terminal, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A project with one good script, committed, and a branch's bad one, which is not."""
    shell = terminal(tmp_path_factory.mktemp("ci") / "shop")
    versions = make_project(shell)
    put_under_the_flow(shell, "dev=sqlite:///dev.db", "staging=sqlite:///staging.db")
    write_script(versions, "a001")
    git(shell, "init", "-q")
    git(shell, "add", "-A")
    git(shell, "commit", "-q", "-m", "the first table")
    bad = write_script(versions, "b001", "a001", upgrade='op.add_column("t_a001", sa.Column("n", sa.Integer))')
    bad.write_text(bad.read_text().replace('op.drop_table("t_b001")', "pass").replace("Rationale", "Reason"))
    return shell


def git(shell: Shell, *words: str) -> None:
    done = subprocess.run(
        ["git", *words], cwd=shell.folder, env=shell.variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_check_says_what_lint_and_a_rehearsal_say(shell: Shell) -> None:
    document = shell.json("check", "a001", "b001", code=1)
    assert document["schema"] == "migrate-flow/check/1"
    grades = {one["revision"]: one["grade"] for one in document["rehearsals"]}
    assert grades == {"a001": "lossless", "b001": "irreversible"}
    errors = {(one["revision"], one["rule"]) for one in document["findings"] if one["severity"] == "error"}
    assert ("b001", "empty-downgrade") in errors
    assert ("b001", "missing-rationale") in errors
    assert not [one for one in errors if one[0] == "a001"]
    for one in document["findings"]:
        assert {"rule", "severity", "revision", "path", "line", "message", "hint", "waived"} <= one.keys()


def test_a_good_script_passes(shell: Shell) -> None:
    document = shell.json("check", "a001")
    assert document["rehearsals"][0]["schema_restored"] is True


def test_since_looks_at_the_branch_alone_and_needs_no_ledger(shell: Shell) -> None:
    ledger = shell.folder / ".migrate-flow" / "ledger.db"
    hidden = ledger.rename(ledger.with_suffix(".away"))
    try:
        document = shell.json("check", "--since", "HEAD", code=1)
        assert document["revisions"] == ["b001"]
        assert [one["revision"] for one in document["rehearsals"]] == ["b001"]
        assert "--since" in shell.error("check", code=4)["hint"]
        alone = shell.json("rehearse", "--since", "HEAD", code=1)
        assert [one["revision"] for one in alone["rehearsals"]] == ["b001"]
        assert "--since" in shell.error("rehearse", code=4)["hint"]
    finally:
        hidden.rename(ledger)


@pytest.mark.parametrize("words", [("a001", "--all"), ("a001", "--since", "HEAD"), ("--all", "--since", "HEAD")])
def test_only_one_way_to_choose_at_a_time(shell: Shell, words: tuple[str, ...]) -> None:
    assert "exclude each other" in shell.error("rehearse", *words, code=2)["message"]


def test_sarif_from_the_command_is_valid(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "report.sarif"
    done = shell.flow("check", "b001", "--format", "sarif", "--output", str(path), code=1)
    assert done.out == ""
    validate("--schemafile", str(SCHEMA), str(path))
    rules = {one["ruleId"] for one in json.loads(path.read_text())["runs"][0]["results"]}
    assert {"empty-downgrade", "rehearsal/irreversible"} <= rules


@pytest.mark.parametrize("name", ["github", "gitlab", "junit"])
def test_the_other_formats_come_from_the_command_too(shell: Shell, name: str) -> None:
    assert "empty-downgrade" in shell.flow("check", "b001", "--format", name, code=1).out
    assert "empty-downgrade" in shell.flow("lint", "b001", "--format", name, code=1).out


def test_a_format_for_findings_is_refused_elsewhere(shell: Shell) -> None:
    assert "one of: table, json" in shell.flow("status", "--format", "sarif", code=2).err


def test_a_script_that_can_t_be_read_is_a_finding_and_nothing_is_rehearsed(shell: Shell) -> None:
    broken = shell.folder / "migrations" / "versions" / "c001_script.py"
    broken.write_text("revision = (")
    try:
        document = shell.json("check", code=1)
        assert any(one["path"].endswith("c001_script.py") for one in document["findings"])
        assert document["rehearsals"] == []
    finally:
        broken.unlink()


@pytest.mark.parametrize(
    ("schema", "example"),
    [("vendor.github-workflows", "github-actions.yml"), ("vendor.gitlab-ci", "gitlab-ci.yml")],
)
def test_the_examples_are_what_the_systems_read(schema: str, example: str) -> None:
    path = REPOSITORY / "docs" / "examples" / example
    validate("--builtin-schema", schema, str(path))
    assert "migrate-flow check --since" in path.read_text()


def test_the_hooks_run_in_pre_commit(shell: Shell, tmp_path: Path) -> None:
    """The lint hook as it ships, but for its environment: the command that is under test is the installed one."""
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    text = (REPOSITORY / ".pre-commit-hooks.yaml").read_text()
    assert "language: python" in text
    (hooks / ".pre-commit-hooks.yaml").write_text(
        text.replace("language: python", "language: system").replace(
            'additional_dependencies: ["migrate-flow[rehearsal]"]', "verbose: false"
        )
    )
    maker = Shell(hooks, shell.home, shell.pycache)
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "hooks")):
        git(maker, *words)
    config = shell.folder / ".pre-commit-config.yaml"
    rev = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=hooks, env=shell.variables, capture_output=True, text=True, check=True
    ).stdout.strip()
    config.write_text(f"repos:\n- repo: {hooks}\n  rev: {rev}\n  hooks:\n  - id: migrate-flow-lint\n")
    try:
        git(shell, "add", "-A")
        done = run_hooks(shell)
        assert done.returncode == 1, done.stdout + done.stderr
        assert "empty-downgrade" in done.stdout
        git(shell, "reset", "-q", "--", "migrations")
        bad = shell.folder / "migrations" / "versions" / "b001_script.py"
        kept = bad.read_text()
        bad.unlink()
        done = run_hooks(shell)
        assert done.returncode == 0, done.stdout + done.stderr
        bad.write_text(kept)
    finally:
        config.unlink()
        git(shell, "reset", "-q")


def run_hooks(shell: Shell) -> subprocess.CompletedProcess[str]:
    programs = str(Path(sys.executable).parent)
    variables = {**shell.variables, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        [sys.executable, "-m", "pre_commit", "run", "--all-files"],
        cwd=shell.folder, env=variables, capture_output=True, text=True, check=False,
    )  # fmt: skip


def validate(*words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
