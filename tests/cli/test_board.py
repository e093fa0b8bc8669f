"""The board of a long history: what is settled is summed up, what is not is always there, and reading it costs no more
the longer it is."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from benchmarks import long_project
from benchmarks.inputs import history
from benchmarks.long_project import ADA, BOB, CARLA
from migrate_flow.ledger import sqlite
from migrate_flow.services.settled import MOST_LISTED, STILL_LISTED
from tests.conftest import move_in
from tests.support.project import Answer, Project

LENGTH = 60
REVISIONS = [change.revision for change in history(LENGTH)]
LINE = f"… and {LENGTH - STILL_LISTED} older ones that stand everywhere: migrate-flow status --all"

Built = Callable[[int], Path]


@pytest.fixture(scope="module")
def _built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    folders: dict[int, Path] = {}
    with pytest.MonkeyPatch.context() as patch:
        move_in(tmp_path_factory.mktemp("making") / "home", patch)

        def built(length: int) -> Path:
            if length not in folders:
                folders[length] = tmp_path_factory.mktemp(f"long{length}") / "shop"
                folders[length].mkdir()
                long_project.build(folders[length], length)
            return folders[length]

        yield built


@pytest.fixture
def long(_built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Project]:
    """A copy of a project of this length; the current folder."""

    def long(length: int = LENGTH) -> Project:
        folder = tmp_path / f"shop{length}"
        shutil.copytree(_built(length), folder)
        monkeypatch.chdir(folder)
        return Project(folder)

    return long


def _listed(answer: Answer) -> list[str]:
    return [revision for revision in REVISIONS if revision in answer.out]


def test_what_is_settled_is_summed_up(long: Callable[[int], Project]) -> None:
    assert MOST_LISTED < LENGTH
    project = long(LENGTH)
    first = project.run("status")
    assert first.out.splitlines()[0].endswith(f"{LENGTH} migrations")
    assert (_listed(first), LINE in first.out.splitlines()) == (REVISIONS[-STILL_LISTED:], True)
    assert project.run("status") == first
    whole = project.run("status", "--all")
    assert (_listed(whole), "older ones" in whole.out) == (REVISIONS, False)
    found = project.run("status", "--format", "json").json["migrations"]
    assert [row["revision"] for row in found] == REVISIONS
    assert {(row["state"], *(ran["state"] for ran in row["applied"].values())) for row in found} == {
        ("approved", "applied", "applied", "applied")
    }


def test_a_short_history_is_shown_whole(long: Callable[[int], Project]) -> None:
    assert len(_listed(long(5).run("status"))) == 5


def test_what_is_not_settled_is_always_shown(long: Callable[[int], Project]) -> None:
    """Found out before, and true no more: by other bytes, by an entry, by a policy."""
    project = long(LENGTH)
    project.run("status")
    edited, objected = REVISIONS[3], REVISIONS[5]
    (script,) = project.folder.glob(f"migrations/versions/{edited}_*")
    before = script.read_text()
    script.write_text(before + "\n# another line\n")
    answer = project.run("status")
    assert _listed(answer) == [edited, *REVISIONS[-STILL_LISTED:]]
    assert f"{edited} is stale" in answer.out
    script.write_text(before)
    assert _listed(project.run("status")) == REVISIONS[-STILL_LISTED:]
    project.flow("review", objected, "--request-changes", "-m", "it locks the table", actor=BOB)
    answer = project.run("status")
    assert _listed(answer) == [objected, *REVISIONS[-STILL_LISTED:]]
    assert "changes-requested" in answer.out
    config = project.folder / "migrate-flow.toml"
    config.write_text(config.read_text().replace("[policy]\n", '[policy]\napproval_expires = "30d"\n'))
    project.flow("policy", "record", actor=ADA)
    assert _listed(project.run("status")) == REVISIONS


def test_with_and_without_what_was_kept(long: Callable[[int], Project]) -> None:
    """Every command that reads, before and after it kept something, and when that is gone."""
    project = long(LENGTH)
    commands = (
        ["status"],
        ["status", "--all"],
        ["status", "--format", "json"],
        ["show", REVISIONS[7]],
        ["show", REVISIONS[7], "--format", "json"],
        ["inbox"],
        ["log", "--rev", REVISIONS[7]],
        ["log", "-n", "5", "--kind", "apply."],
        ["log", "--env", "staging", "--person", ADA, "-n", "3", "--format", "json"],
        ["log", "--person", CARLA],
    )
    project.flow("review", REVISIONS[5], "--request-changes", "-m", "it locks the table", actor=BOB)
    cache = Path.home() / "cache" / "migrate-flow" / "ledgers"
    assert not cache.exists()  # who signs keeps nothing
    for words in commands:
        alone = project.run(*words, actor=ADA)
        assert alone.code == 0
        assert cache.exists()
        assert project.run(*words, actor=ADA) == alone
        shutil.rmtree(cache)
    for words in commands:
        first = project.run(*words, actor=ADA)
        shutil.rmtree(cache)
        assert project.run(*words, actor=ADA) == first


def test_an_edit_of_the_ledger_stops_every_reader(long: Callable[[int], Project]) -> None:
    """Also of an entry about a revision that nobody looks at."""
    project = long(LENGTH)
    project.run("status")
    with closing(sqlite3.connect(project.folder / ".migrate-flow" / "ledger.db")) as connection, connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("UPDATE entry SET signature = replace(signature, 'A', 'B') WHERE seq = 17")
    for words in (["status"], ["inbox"], ["show", REVISIONS[-1]], ["log", "-n", "1"]):
        answer = project.run(*words, actor=ADA)
        assert (answer.code, "entry 17 does not continue the chain" in answer.err) == (4, True), answer


READERS = {
    "status": ["status"],
    "inbox": ["inbox"],
    "show": ["show", "NEWEST"],
    "log": ["log", "-n", "5"],
    "log of one": ["log", "--rev", "NEWEST"],
    "board": ["status", "--format", "json"],
}


@pytest.mark.parametrize("name", READERS)
def test_a_longer_history_takes_no_more_queries(
    long: Callable[[int], Project], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def queries(length: int) -> tuple[list[str], list[str]]:
        project = long(length)
        words = [REVISIONS[length - 1] if word == "NEWEST" else word for word in READERS[name]]
        with _sent(monkeypatch) as cold:
            project.run(*words, actor=ADA)
        with _sent(monkeypatch) as warm:
            project.run(*words, actor=ADA)
        return cold, warm

    few, many = queries(5), queries(LENGTH)
    assert [len(sent) for sent in few] == [len(sent) for sent in many]
    assert 0 < len(many[1]) <= 16


class _sent:
    """The statements that reach the ledger's file meanwhile."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch

    def __enter__(self) -> list[str]:
        found: list[str] = []
        connect = sqlite.connect

        def traced(*args: Any, **how: Any) -> sqlite3.Connection:
            connection = connect(*args, **how)
            connection.set_trace_callback(found.append)
            return connection

        self._context = self._patch.context()
        self._context.__enter__().setattr(sqlite, "connect", traced)
        return found

    def __exit__(self, *_error: object) -> None:
        self._context.__exit__(None, None, None)


def test_of_two_branches_both_are_to_be_applied(project: Project) -> None:
    for revision, parent in (("aaaa", None), ("bbbb", "aaaa"), ("cccc", "bbbb"), ("dddd", "aaaa")):
        project.script(revision, parent)
        project.approved(revision)
    out = project.flow("status").out
    commands = [line.strip() for line in out.splitlines() if line.startswith("  migrate-flow apply")]
    assert commands == ["migrate-flow apply cccc --env dev", "migrate-flow apply dddd --env dev"]
