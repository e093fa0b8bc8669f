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
