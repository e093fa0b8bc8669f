"""How much a plan or an application does, counted: what grows with a history, or with a run, is told here."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.pool import Pool

from migrate_flow.alembic_adapter.checkout import Checkout
from migrate_flow.core import lifecycle
from migrate_flow.core.entry import Entry
from migrate_flow.core.history import History, RevisionRecord
from migrate_flow.core.revision import Manifest
from migrate_flow.ledger import read_model
from migrate_flow.services import drift, glance
from migrate_flow.services.facts import Situation
from migrate_flow.services.workspace import Workspace
from tests.support.postgres import PostgresServer
from tests.support.project import ADA, CARLA, Project, governed
from tests.support.proxy import Proxy

# On PostgreSQL, of ours, env.py's and the script's that makes one table; those of a snapshot are sent at once besides.
STATEMENTS_OF_A_STEP = 26
# How often an answer is waited for: in a whole run of one (115), and for each more (45). On a busy machine the server
# may answer to the first of a snapshot's ten queries before the last was sent, which is counted as well.
TURNS_OF_ONE, TURNS_OF_A_STEP = 115 + 3 * 9, 45 + 9


def test_a_plan_reads_its_own_steps_and_no_script_below_them(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [f"a{n:03}" for n in range(30)]
    for parent, revision in zip([None, *ids], ids, strict=False):
        project.script(revision, parent)
    project.flow("track", actor=ADA)
    project.flow("apply", "a026", "--env", "dev", actor=ADA)
    for revision in ids[-3:]:
        project.flow("self-review", revision, actor=ADA)
    sealed: list[str] = []
    read = Checkout.manifest

    def counted(self: Checkout, revision: str) -> Manifest:
        sealed.append(revision)
        return read(self, revision)

    monkeypatch.setattr(Checkout, "manifest", counted)
    plan = project.json("plan", "--env", "dev", actor=CARLA)
    assert [step["revision"] for step in plan["steps"]] == ids[-3:]
    assert sorted(sealed) == ids[-3:]


def test_the_next_plan_reads_no_record_of_what_never_changed(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = _begun(project, 30)
    for revision in ids[1:3]:
        project.flow("self-review", revision, actor=ADA)
    thawed: list[str] = []
    thaw = read_model.thaw_record

    def counted(revision: str, *how: Any) -> RevisionRecord:
        thawed.append(revision)
        return thaw(revision, *how)

    monkeypatch.setattr(read_model, "thaw_record", counted)

    def planned(to: str) -> list[str]:
        thawed.clear()
        steps = project.json("plan", "--env", "dev", "--to", to, actor=CARLA)["steps"]
        return [sentence for step in steps for sentence in step["changes"]]

    assert not planned("a020")
    project.flow("self-review", "a003", actor=ADA)
    assert not planned("a002")
    assert not {*thawed} & {"a000"}, thawed
    path = project.folder / "migrations" / "versions" / "a000.py"
    text = path.read_text()
    path.write_text(text + "# no comment\n")
    (first, second) = planned("a002")
    assert "its ancestor a000" in first
    assert "its ancestor a000" in second
    path.write_text(text)
    assert not planned("a002")


def _begun(project: Project, count: int) -> list[str]:
    """A history of which the first revision stands in dev."""
    ids = [f"a{n:03}" for n in range(count)]
    for parent, revision in zip([None, *ids], ids, strict=False):
        project.script(revision, parent)
    project.flow("track", actor=ADA)
    project.flow("apply", ids[0], "--env", "dev", actor=ADA)
    return ids


def test_a_clean_schema_is_told_from_what_was_kept_and_another_one_is_recorded(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    _begun(project, 3)
    assert project.flow("drift", "--env", "dev", actor=ADA)
    folded: list[int] = []
    add = lifecycle.add

    def counted(history: History, entry: Entry, *how: Any) -> None:
        folded.append(entry.seq)
        add(history, entry, *how)

    for module in (lifecycle, glance):
        monkeypatch.setattr(module, "add", counted)
    assert project.flow("drift", "--env", "dev", actor=ADA)
    assert not folded
    with closing(sqlite3.connect(project.folder / "dev.db")) as connection, connection:
        connection.execute("CREATE TABLE by_hand (id INTEGER)")
    found = project.run("drift", "--env", "dev", "--format", "json", actor=ADA)
    assert found.code == 1
    (entry,) = project.json("log", "--kind", "drift.found")["entries"]
    assert json.loads(found.out)["seq"] == entry["seq"]
    folded.clear()
    assert project.run("drift", "--env", "dev", actor=ADA).code == 1
    assert not folded
    assert len(project.json("log", "--kind", "drift.found")["entries"]) == 1


def test_only_what_is_new_is_looked_at_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server out of reach keeps whoever asks waiting."""
    _begun(project, 1)
    with closing(sqlite3.connect(project.folder / "dev.db")) as connection, connection:
        connection.execute("CREATE TABLE by_hand (id INTEGER)")
    looked: list[str] = []
    look = drift.look

    def counted(workspace: Workspace, environment: str) -> Situation:
        looked.append(environment)
        return look(workspace, environment)

    monkeypatch.setattr(drift, "look", counted)
    found = json.loads(project.run("drift", "--format", "json", actor=ADA).out)
    others = [one["environment"] for one in found["environments"] if one["environment"] != "dev"]
    assert others
    assert sorted(looked) == sorted(["dev", "dev", *others])
    (entry,) = project.json("log", "--kind", "drift.found")["entries"]
    assert [one["seq"] for one in found["environments"]] == [entry["seq"], *(None for _ in others)]


class _Asked:
    """What is sent to a database, on whatever connection."""

    def __init__(self) -> None:
        self.statements, self.connections, self.engines = 0, 0, 0

    def engine(self, *_: Any) -> None:
        self.engines += 1

    def statement(self, *_: Any) -> None:
        self.statements += 1

    def connection(self, *_: Any) -> None:
        self.connections += 1

    def taken(self) -> tuple[int, int]:
        found = self.statements, self.connections
        self.statements = self.connections = 0
        return found


@pytest.fixture
def asked() -> Iterator[_Asked]:
    counter = _Asked()
    listeners = (
        (Engine, "before_cursor_execute", counter.statement),
        (Pool, "connect", counter.connection),
        (Pool, "first_connect", counter.engine),
    )
    for source, name, listener in listeners:
        event.listen(source, name, listener)
    yield counter
    for source, name, listener in listeners:
        event.remove(source, name, listener)


def test_a_step_more_is_one_connection_more_and_so_many_statements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pg_url: str, asked: _Asked
) -> None:
    monkeypatch.chdir(tmp_path)
    project = governed(tmp_path, (f"dev={pg_url}",))
    ids = _begun(project, 8)
    asked.taken()
    project.flow("apply", ids[2], "--env", "dev", actor=ADA)
    two = asked.taken()
    project.flow("apply", ids[7], "--env", "dev", actor=ADA)
    five = asked.taken()
    # env.py's own connection is a step's only one: ours are kept for the run.
    assert five[1] - two[1] == 3
    statements = (five[0] - two[0]) / 3
    assert statements == int(statements), "the same for each step, however many came before it"
    assert statements <= STATEMENTS_OF_A_STEP


def test_our_own_connections_learn_once_what_the_server_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pg_url: str, asked: _Asked
) -> None:
    monkeypatch.chdir(tmp_path)
    project = governed(tmp_path, (f"dev={pg_url}",))
    ids = _begun(project, 2)
    asked.engines = 0
    project.flow("apply", ids[1], "--env", "dev", actor=ADA)
    # Ours, and two of env.py's: of the probe, and of the step.
    assert asked.engines == 3


def test_the_server_is_waited_for_so_many_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: PostgresServer, pg_url: str
) -> None:
    """From one region to another that is what takes the time of an application."""
    monkeypatch.chdir(tmp_path)
    with Proxy(postgres.folder / ".s.PGSQL.5432") as way:
        project = governed(tmp_path, (f"dev={way.through(pg_url)}",))
        ids = _begun(project, 6)
        turns = []
        for last in (1, 5):
            way.turns = 0
            project.flow("apply", ids[last], "--env", "dev", actor=ADA)
            turns.append(way.turns)
    one, four = turns
    assert one <= TURNS_OF_ONE
    assert (four - one) / 3 <= TURNS_OF_A_STEP
