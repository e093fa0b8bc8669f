"""The wheel that is published, installed in a fresh venv: what the documentation shows is what its command prints."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
# What a project with an asynchronous env.py brings.
BESIDE = ("aiosqlite", "sqlalchemy[asyncio]")


def uv(*words: str | Path) -> str:
    """What it prints. Raises AssertionError if it fails."""
    program = os.environ.get("UV") or shutil.which("uv")
    assert program, "uv is not on the PATH"
    environ = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run([program, *words], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def build(folder: Path) -> Path:
    """The wheel of this checkout, made into that folder."""
    _asked_last("build", "-q", "--wheel", "--out-dir", folder, REPOSITORY)
    (built,) = folder.glob("*.whl")
    return built


def install(folder: Path) -> Path:
    """The folder of programs of a venv made in that folder, with the wheel and the drivers, and their libraries as the
    tests have them. Whoever comes first makes it, and all other processes wait."""
    folder.mkdir(exist_ok=True)
    programs, made = folder / "venv" / "bin", folder / "made"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            (folder / "pins").write_text(uv("pip", "freeze", "-q", "--exclude-editable", "--python", sys.executable))
            uv("venv", "-q", "--python", sys.executable, folder / "venv")
            wheel = f"{build(folder)}[postgresql,mysql]"
            pins = ("-c", folder / "pins", "--python", programs / "python")
            _asked_last("pip", "install", "-q", *pins, wheel, *BESIDE)
            made.touch()
    return programs


def byte_code(programs: Path) -> Path:
    """Where commands of these programs keep what they compile: for as long as the venv is there."""
    return programs.parents[1] / "byte-code"


def _asked_last(*words: str | Path) -> None:
    """The package index is asked only for what uv has not kept."""
    try:
        uv(*words, "--offline")
    except AssertionError:
        uv(*words)
