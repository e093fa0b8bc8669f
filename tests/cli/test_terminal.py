"""On a real terminal (a pty): colours by default, none where they are not wanted, nothing lost without them."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from migrate_flow.cli import progress
from tests.support.project import ADA, BEN, DORA, Project

pty = pytest.importorskip("pty", reason="a pseudo-terminal is asked for, which this platform does not have")


def on_a_terminal(
    project: Project, *words: str, typed: str = "", code: int = 0, columns: int = 80, **variables: str
) -> str:
    """What a person sees, with escape sequences. typed: by the person, before anything is asked."""
    main, other = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns), **variables}
    with subprocess.Popen(
        [sys.executable, "-m", "migrate_flow", *words],
        cwd=project.folder,
        env=environment,
        stdin=other,
        stdout=other,
        stderr=other,
    ) as process:
        os.close(other)
        os.write(main, typed.encode())
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
    assert process.returncode == code, (words, seen.decode())
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


@pytest.mark.checked
def test_a_reviewer_reads_what_they_sign(project: Project) -> None:
    """Why, the SQL, what it changes, what the checks found and the code; then the question."""
    project.script("aaaa", upgrade='op.execute("CREATE TABLE t_aaaa (id INTEGER PRIMARY KEY)")')
    project.flow("track", actor=ADA)
    project.flow("self-review", "aaaa", actor=ADA)
    shown = on_a_terminal(project, "--as", BEN, "review", "aaaa", typed="approve\n", NO_COLOR="1").replace("\r", "")
    parts = [
        "aaaa  make t_aaaa",
        "Rationale:",
        "upgrade SQL, sqlite",
        "what it changes in the schema, as rehearsed on SQLite",
        "added: table t_aaaa",
        "undocumented-raw-sql",
        "script, from line 6",
        "none yet of these bytes",
        "approve, request-changes, or nothing",
        "reviewed and found right",
    ]
    places = [shown.find(part) for part in parts]
    assert -1 not in places, parts[places.index(-1)]
    assert places == sorted(places)
    read = shown[: shown.index("approve, request-changes")]
    assert max(len(line) for line in read.splitlines() if "sha256:" not in line) <= 80
    assert project.json("status", "aaaa")["migrations"][0]["reviews"][0]["by"] == BEN


@pytest.mark.parametrize(
    ("actor", "self_reviewed", "reason"),
    [
        (BEN, False, "aaaa is not self-reviewed yet"),
        (ADA, True, "nobody reviews their own"),
        (DORA, True, "the role developer is needed"),
    ],
)
def test_who_may_not_review_is_told_before_they_read(
    project: Project, actor: str, self_reviewed: bool, reason: str
) -> None:
    project.script("aaaa")
    project.flow("track", actor=ADA)
    if self_reviewed:
        project.flow("self-review", "aaaa", actor=ADA)
    shown = on_a_terminal(project, "--as", actor, "review", "aaaa", code=1, NO_COLOR="1")
    assert reason in " ".join(shown.split())
    assert "approve, request-changes, or nothing" not in shown


def test_an_error_wraps_by_words_and_its_hint_stays_one_line(project: Project) -> None:
    shown = on_a_terminal(
        project, "--as", ADA, "apply", "--env", "prod-which-has-a-name-that-is-longer-than-all", code=2
    )
    lines = shown.replace("\r", "").splitlines()
    assert max(len(line) for line in lines if not line.startswith("hint:")) <= 80
    assert "hint: one of: dev, staging, production" in lines


def test_what_is_longer_than_the_terminal_goes_to_the_pager(project: Project) -> None:
    """By the person's own PAGER, and for nobody else: not for a pipe, not for a short answer, not without input."""
    project.script("aaaa")
    project.flow("track", actor=ADA)
    pager = "sed s/^/paged/"
    assert "pagedaaaa  make t_aaaa" in on_a_terminal(project, "show", "aaaa", PAGER=pager, LINES="10", NO_COLOR="1")
    for words, lines in ((("show", "aaaa"), "200"), (("--no-input", "show", "aaaa"), "10"), (("log",), "200")):
        assert "paged" not in on_a_terminal(project, *words, PAGER=pager, LINES=lines)
    assert "paged" not in on_a_terminal(project, "show", "aaaa", PAGER=pager, LINES="10", TERM="dumb")


NOES = [
    (("apply", "--env", "production"), 1),
    (("plan", "--env", "production"), 1),
    (("review", "aaaa"), 1),
    (("approve", "aaaa"), 1),
    (("rollback", "--env", "dev", "--to", "base", "-m", "a reason"), 0),
    (("recover", "--env", "dev", "--abandon"), 2),
    (("status", "an-id-that-no-script-in-this-checkout-declares-and-no-entry-either"), 2),
    (("--as", "somebody-with-a-long-address@a-company-with-a-long-name.example.com", "new", "-m", "x"), 2),
    (("--config", "a/folder/that/is/not/there/and/has/a/long/name/migrate-flow.toml", "status"), 2),
    (("apply", "--environment", "dev"), 2),
    (("log", "--kind", "a.kind.that.no.entry.has.and.that.is.longer.than.any.kind.that.there.is"), 0),
]


@pytest.mark.parametrize("columns", [80, 200])
def test_a_no_fits_its_terminal(project: Project, columns: int) -> None:
    """Broken between words, but for what is there to be copied: hints, commands, digests and places."""
    path = project.script("aaaa")
    path.write_text(
        path.read_text().replace("make t_aaaa", "make t_aaaa, which takes more words than a line has room " * 2)
    )
    project.flow("track", actor=ADA)
    for words, code in NOES:
        actor = () if words[0] == "--as" else ("--as", ADA)
        shown = on_a_terminal(project, *actor, *words, code=code, columns=columns, NO_COLOR="1").replace("\r", "")
        assert shown.strip(), words
        whole = [line for line in shown.splitlines() if not line.lstrip().startswith(("hint:", "where:", "sha256:"))]
        long = [line for line in whole if len(line) > columns and " " in line.strip()[:columns]]
        assert long == [], words


def test_an_act_that_tells_nothing_of_itself_says_that_it_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal only, on a line that is gone in the end."""
    monkeypatch.setattr(progress, "QUIET_S", 0.01)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    for variables, said in (({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False)):
        monkeypatch.setenv("TERM", variables["TERM"])
        with progress.busy("reading the schemas"):
            time.sleep(0.2)
        shown = capsys.readouterr().err
        assert ("0 s  reading the schemas" in shown) is said
        assert not said or shown.endswith("\r\x1b[2K\r")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    with progress.busy("reading the schemas"):
        time.sleep(0.05)
    assert capsys.readouterr().err == ""
