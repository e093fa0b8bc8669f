"""A git repository whose commits are by whom a test says."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


class Repository:
    """folder: of the project, the repository itself if nothing else is said."""

    def __init__(self, folder: Path, project: str = "") -> None:
        self.top, self.folder = folder, folder / project
        self.folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", str(folder))

    def git(self, *words: str, by: str = "ada@example.com") -> str:
        who = {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in _parts(by)}
        done = subprocess.run(
            ["git", *words], cwd=self.folder, env={**os.environ, **who}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def write(self, text: str, path: str) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)

    def commit(self, by: str = "ada@example.com", message: str = "a change") -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", message, by=by)
        return self.git("rev-parse", "HEAD")


def _parts(address: str) -> tuple[tuple[str, str], ...]:
    return ("NAME", "Somebody"), ("EMAIL", address)
