"""The only caller of squawk, which knows PostgreSQL's locks better than a syntax tree does.

One process for all scripts, each in a file of its own in a fresh folder: what one script makes or breaks says nothing
about another, and no configuration file of squawk's is found.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from migrate_flow.services.squawk_sql import Remark, SqlFile, SquawkFailed

_LIMIT_S = 120
_MOST_FILES = 400
# The flow sets both for every step, as the environment has them.
_EXCLUDED = ("require-lock-timeout", "require-statement-timeout", "require-timeout-settings")
_BIND = re.compile(r"(?<![:\w\\]):(?=[A-Za-z_])\w+")  # as SQLAlchemy's text() finds parameters, in strings too
_PYFORMAT = re.compile(r"%\(\w+\)s|%s")


def version() -> str:
    """Such as ``2.70.0``; empty if it is not installed, or does not run."""
    program = _program()
    if not program:
        return ""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip().removeprefix("squawk ") if done.returncode == 0 else ""


def lint(files: Sequence[SqlFile]) -> Iterator[tuple[SqlFile, Remark]]:
    """What it finds, file by file, lines counted from 0. Raises SquawkFailed."""
    for in_transaction in (True, False):
        chosen = [file for file in files if file.in_transaction is in_transaction]
        for start in range(0, len(chosen), _MOST_FILES):
            yield from _run(chosen[start : start + _MOST_FILES], in_transaction)


def _run(files: Sequence[SqlFile], in_transaction: bool) -> Iterator[tuple[SqlFile, Remark]]:
    with tempfile.TemporaryDirectory(prefix="migrate-flow-squawk-") as folder:
        named = {f"{number}.sql": file for number, file in enumerate(files)}
        for name, file in named.items():
            (Path(folder) / name).write_text(_bound(file.text), encoding="utf-8", errors="replace", newline="\n")
        words = ["--assume-in-transaction"] if in_transaction else ["--no-assume-in-transaction"]
        for item in _answer([*words, "--exclude", ",".join(_EXCLUDED), *named], folder):
            yield _remark(item, named)


def _answer(words: Sequence[str], folder: str) -> list[dict[str, Any]]:
    """0: nothing found. 1: findings or a syntax error, told alike. Anything else: it did not work."""
    try:
        done = subprocess.run(
            [_program(), "--reporter", "json", *words],
            cwd=folder,
            env={name: value for name, value in os.environ.items() if not name.startswith("SQUAWK_")},
            capture_output=True,
            timeout=_LIMIT_S,
            check=False,
        )
        told = json.loads(done.stdout or b"[]") if done.returncode in (0, 1) else None
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise SquawkFailed(f"{type(error).__name__}") from error
    if not isinstance(told, list) or (done.returncode == 1 and not told):
        reason = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
        raise SquawkFailed(reason or f"exit {done.returncode}")
    return told


def _remark(item: dict[str, Any], named: dict[str, SqlFile]) -> tuple[SqlFile, Remark]:
    try:
        file = named[os.path.basename(item["file"])]  # noqa: PTH119
        return file, Remark(
            str(item["rule_name"]), int(item["line"]), str(item["message"]), str(item.get("help") or "")
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SquawkFailed(f"its answer can't be read: {type(error).__name__}") from error


def _bound(text: str) -> str:
    """Parameters in PostgreSQL's own form: no other parses. Lines stay."""
    return _PYFORMAT.sub("$1", _BIND.sub("$1", text)).replace("\\:", ":")


def _program() -> str:
    """Beside this Python first: a virtual environment need not be active."""
    beside = os.path.dirname(sys.executable)  # noqa: PTH120
    return shutil.which("squawk", path=beside) or shutil.which("squawk") or ""
