"""On a real terminal (a pty): colours by default, none where they are not wanted, nothing lost without them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.project import ADA, Project

pty = pytest.importorskip("pty", reason="a pseudo-terminal is asked for, which this platform does not have")


def on_a_terminal(project: Project, *words: str, **variables: str) -> str:
    """What a person sees, with escape sequences. 80 columns."""
    main, other = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", **variables}
    with subprocess.Popen(
        [sys.executable, "-m", "migrate_flow", *words],
        cwd=project.folder,
        env=environment,
        stdin=other,
        stdout=other,
        stderr=other,
    ) as process:
        os.close(other)
        seen = b""
        while True:
            try:
                block = os.read(main, 4096)
            except OSError:
                break
            if not block:
                break
            seen += block
    os.close(main)
    assert process.returncode == 0
    return seen.decode()


def test_colours_only_where_they_are_wanted(project: Project) -> None:
    project.script("aaaa")
    project.flow("track", actor=ADA)
    assert "\x1b[" in on_a_terminal(project, "status")
    plain = [
        on_a_terminal(project, "status", NO_COLOR="1"),
        on_a_terminal(project, "--no-color", "status"),
        on_a_terminal(project, "status", TERM="dumb"),
    ]
    piped = project.flow("status").out
    for shown in plain:
        assert "\x1b" not in shown
        assert all(word in shown for word in piped.split())
    assert max(len(line.rstrip("\r")) for line in plain[0].split("\n")) <= 80


def test_a_long_statement_is_shown_while_it_runs(project: Project) -> None:
    """On a terminal one line that changes; it is gone at the end."""
    slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT max(i) FROM n"
    project.script("aaaa", upgrade=f'op.get_bind().exec_driver_sql("{slow}").all()')
    project.flow("track", actor=ADA)
    shown = on_a_terminal(project, "--as", ADA, "apply", "--env", "dev")
    assert "[1/1] aaaa" in shown
    assert " s  WITH RECURSIVE n(i)" in shown
    assert "applied in" in shown
