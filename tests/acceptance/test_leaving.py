"""What is left when the command is gone: nothing that env.py opened."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.conftest import Terminal
from tests.support.alembic_projects import ADA, edit, make_project, put_under_the_flow, write_script


@pytest.mark.parametrize("command", ["apply", "rollback"])
def test_a_pool_of_env_py_leaves_no_wal_beside_the_file(terminal: Terminal, tmp_path: Path, command: str) -> None:
    """Else whoever copies the file, which has every reason to be complete, copies one without the migration."""
    shell = terminal(tmp_path / "shop")
    write_script(make_project(shell), "aaaa01")
    edit(shell.folder / "migrations" / "env.py", r" *poolclass=pool\.NullPool,\n", "")
    with closing(sqlite3.connect(shell.folder / "dev.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    put_under_the_flow(shell)
    shell.flow("track", actor=ADA)
    words = [["apply", "--env", "dev"]]
    if command == "rollback":
        words.append(["rollback", "--env", "dev", "--to", "base", "--confirm", "dev", "-m", "not wanted"])
    for said in words:  # a process of its own: the shell's is forked, and leaves in another way
        whole = [sys.executable, "-m", "migrate_flow", "--as", ADA, *said]
        subprocess.run(whole, cwd=shell.folder, env=shell.variables, check=True, capture_output=True)
    assert not (shell.folder / "dev.db-wal").exists()
    shutil.copyfile(shell.folder / "dev.db", tmp_path / "copy.db")
    with closing(sqlite3.connect(tmp_path / "copy.db")) as connection:
        found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    assert found == ([("aaaa01",)] if command == "apply" else [])
