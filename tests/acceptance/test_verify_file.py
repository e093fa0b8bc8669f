"""`verify FILE` as an auditor runs it: in a folder without project or ledger, and as somebody else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import Terminal
from tests.support.project import ADA, Project, alembic_project
from tests.support.shell import Shell

NOBODY = 65534
# Once as whoever runs the tests, for the interpreter itself may lie where nobody reads; then as nobody, who can write
# to no file of whatever size.
AS_NOBODY = f"""
import io, os, resource, runpy, sys
from contextlib import redirect_stdout
def once():
    try:
        runpy.run_path(sys.argv[0], run_name="__main__") if sys.argv[0].endswith("verify.py") else main()
    except SystemExit as ended:
        return ended.code
def main():
    from migrate_flow.cli.app import app
    app(sys.argv[1:])
sys.argv = sys.argv[1:]
with redirect_stdout(io.TextIOWrapper(io.BytesIO())):
    first = once()
os.setgroups([]); os.setresgid({NOBODY}, {NOBODY}, {NOBODY}); os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
assert os.getuid() == os.geteuid() == {NOBODY} and "HOME" not in os.environ
code = once()
assert first == code, (first, code)
sys.stdout.flush()
os._exit(code or 0)
"""


@pytest.fixture
def shop(terminal: Terminal, tmp_path: Path) -> Shell:
    folder = tmp_path / "shop"
    folder.mkdir()
    Project(alembic_project(folder)).script("aaaa")
    shell = terminal(folder)
    shell.flow("init", "--key-store", "file", "--person", ADA, "--env", "dev=sqlite:///dev.db")
    shell.flow("track")
    shell.flow("apply", "--env", "dev")
    for name in ("bundle", "jsonl"):
        shell.flow("export", "--format", name, "--output", str(tmp_path / f"audit.{name}"))
    return shell


@pytest.fixture
def auditor(shop: Shell, terminal: Terminal, tmp_path: Path) -> Shell:
    """Another home, and a folder with nothing but the two files."""
    desk = tmp_path / "desk"
    desk.mkdir()
    for name in ("bundle", "jsonl"):
        (tmp_path / f"audit.{name}").rename(desk / f"audit.{name}")
    return terminal(desk)


def test_an_export_is_proved_where_there_is_neither_project_nor_ledger(shop: Shell, auditor: Shell) -> None:
    info = shop.json("ledger", "info")
    for name in ("audit.bundle", "audit.jsonl"):
        found = auditor.json("verify", name)
        assert found["schema"] == "migrate-flow/verify/1"
        assert (found["ok"], found["problems"], found["file"]) == (True, [], name)
        assert (found["ledger"], found["genesis"]) == (info["id"], info["genesis"])
        assert any("each signer had" in text for text in found["proved"])
        assert any("the ledger you mean" in text for text in found["not_proved"])
        since = f"{found['seq']}:{found['head']}"
        told = auditor.flow("verify", name, "--genesis", info["genesis"], "--since", since).out
        assert "✓ the ledger is the one that --genesis names" in told
        assert f"head: {since}" in told
        other = auditor.json("verify", name, "--genesis", "0" * 64, code=4)
        assert [problem["seq"] for problem in other["problems"]] == [1]
        later = auditor.flow("verify", name, "--since", f"999:{found['head']}", code=4).out
        assert "--since can't be held against entry 999: the file ends at" in later
        assert "hint: compare --genesis and --since with where they were noted" in later
    assert sorted(path.name for path in auditor.folder.iterdir()) == ["audit.bundle", "audit.jsonl"]


def test_what_was_changed_is_exit_4_and_what_is_no_export_is_exit_2(auditor: Shell) -> None:
    text = (auditor.folder / "audit.jsonl").read_text()
    (auditor.folder / "edited").write_text(text.replace("entry:migration.created:v1", "entry:migration.checked:v1", 1))
    done = auditor.flow("verify", "edited", code=4)
    assert "this file is not what was exported" in done.out
    assert "hint: get the file again" in done.out
    (auditor.folder / "short").write_text(text[: len(text) // 2])
    assert auditor.error("verify", "short", code=2)["message"].startswith("line ")
    (auditor.folder / "folder").mkdir()
    for words in (("folder",), ("none",), ("audit.jsonl", "--genesis", "x"), ("audit.jsonl", "--since", "x")):
        assert auditor.error("verify", *words, code=2)["hint"]


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """pytest's own folders are closed to others."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def as_nobody(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, sys.path))
    return subprocess.run(
        [sys.executable, "-c", AS_NOBODY, *words],
        cwd=folder, env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONPATH": path},
        capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip


@pytest.mark.system
def test_nobody_verifies_it_without_a_home_and_without_writing(auditor: Shell, open_to_all: Path) -> None:
    for name in ("audit.bundle", "audit.jsonl"):
        shutil.copy(auditor.folder / name, open_to_all / name).chmod(0o644)
        done = as_nobody(open_to_all, "migrate-flow", "verify", name, "--format", "json")
        assert done.returncode == 0, done
        assert json.loads(done.stdout)["ok"] is True
    unpacked = open_to_all / "unpacked"
    with zipfile.ZipFile(open_to_all / "audit.bundle") as archive:
        archive.extractall(unpacked)
    done = as_nobody(unpacked, str(unpacked / "verify.py"))
    assert (done.returncode, done.stderr) == (0, ""), done
    assert "NOT proved: roles" in done.stdout
