"""A plain run leaves the marked tests out and says so in its last line; `-m` brings them in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]

SAMPLE = """
import os
import pytest

@pytest.mark.sweep
def test_swept():
    pass

@pytest.mark.real
@pytest.mark.sweep
def test_real_and_swept():
    pass

def test_plain(home):
    assert os.environ["HOME"] == str(home)
"""


def _run(folder: Path, *options: str) -> list[str]:
    (folder / "test_sample.py").write_text(SAMPLE)
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-v"]
    # Hypothesis's plugin takes half of the start, and has no part in this.
    command += ["-p", "no:hypothesispytest", "-c", str(REPOSITORY / "pyproject.toml"), f"--rootdir={folder}"]
    done = subprocess.run(
        [*command, *options, str(folder)], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_a_plain_run_names_what_it_left_out(tmp_path: Path) -> None:
    *_, closing, last = _run(tmp_path)
    assert "1 passed" in closing
    assert (
        last == "left out, tests by mark: mariadb (0), system (0), real (1), sweep (2), browser (0); -m MARK runs them"
    )


def test_a_mark_runs_when_it_is_named(tmp_path: Path) -> None:
    lines = _run(tmp_path, "-o", "addopts=--strict-markers", "-m", "sweep and not real")
    assert [line.split("::")[1].split()[0] for line in lines if " PASSED" in line] == ["test_swept"]
    assert "real (" in lines[-1]
    assert "sweep (" not in lines[-1]
