"""Several runners at once: a revision that changes data is applied exactly once, and the others say who works."""

from __future__ import annotations

import json
import re
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import databases
from tests.faults.matrix import MARIADB, POSTGRESQL, SQLITE
from tests.faults.place import BEFORE, FIRST, Place, go_on, stopped, wait_until
from tests.support import proof
from tests.support.alembic_projects import ADA, BEN, CARLA, table, write_script

APPLY = ("apply", "--env", "dev", "--format", "json")
END_S = 60
MORE = "op.execute(\"INSERT INTO t_aaaa01 SELECT max(id) + 1, 'more' FROM t_aaaa01\")"
SCRIPT = "\n".join((MORE, table("fresh"), "op.execute(\"INSERT INTO fresh VALUES (1, 'once')\")"))
HOLDING = f'open("running", "w").close()\n{MORE}\nwhile not os.path.exists("go on"):\n    time.sleep(0.02)\n'
HOLDING += "\n".join(SCRIPT.splitlines()[1:])
AFTER = {"fresh": ["{'id': 1, 'text': 'once'}"], "t_aaaa01": [*BEFORE["t_aaaa01"], "{'id': 2, 'text': 'more'}"]}
HOLDER = re.compile(
    rf"locked by migrate-flow {re.escape(ADA)}@{re.escape(socket.gethostname())}:(?P<pid>\d+)\b.*"
    r", since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$"
)


def _is(place: Place) -> None:
    assert databases.contents(place.url) == AFTER


def _ended(runner: subprocess.Popen[str]) -> tuple[int, dict[str, Any]]:
    """Exit code and document."""
    out, err = runner.communicate(timeout=END_S)
    assert "Traceback" not in err, err
    return runner.returncode, json.loads(out)


def _names_holder(document: dict[str, Any]) -> int:
    """The process that a refused runner's message blames; the message also says person, host and since when."""
    error = document["error"]
    found = HOLDER.search(error["message"])
    assert found, error
    assert error["hint"] == "wait for it, then run the command again"
    return int(found["pid"])


@contextmanager
def _runners(place: Place, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    with ExitStack() as stack:
        yield [stack.enter_context(place.started(*APPLY)) for _ in range(count)]


@pytest.mark.fault("F56")
def test_one_works_and_the_other_is_told_who(place: Place) -> None:
    place.second(HOLDING, imports="import time\n")
    with _runners(place, 2) as runners:
        wait_until(lambda: any(runner.poll() is not None for runner in runners), "the loser to leave")
        wait_until((place.shell.folder / "running").exists, "the script to begin")
        loser, winner = sorted(runners, key=lambda runner: runner.poll() is None)
        code, document = _ended(loser)
        assert (code, _names_holder(document)) == (5, winner.pid)
        before = place.kinds()
        error = place.error("recover", "--env", "dev", code=5)
        assert _names_holder({"error": error}) == winner.pid
        assert place.kinds() == before
        (place.shell.folder / "go on").touch()
        code, report = _ended(winner)
    assert (code, [step["outcome"] for step in report["steps"]]) == (0, ["applied"])
    place.applied_once(lambda: _is(place))


@pytest.mark.fault("F57")
def test_eight_race(place: Place) -> None:
    """Nobody waits for anybody: whoever is late finds the lock held, or nothing left to do."""
    place.second(SCRIPT)
    with _runners(place, 8) as runners:
        ended = {runner.pid: _ended(runner) for runner in runners}
    codes = Counter(code for code, _document in ended.values())
    assert set(codes) <= {0, 5}, ended
    steps = [step["outcome"] for code, document in ended.values() if code == 0 for step in document["steps"]]
    assert steps == ["applied"], ended
    for code, document in ended.values():
        if code == 5:
            assert _names_holder(document) in ended
    assert place.kinds().count("apply.intended") == 2  # of the first revision, and of this one
    assert place.kinds().count("apply.recovered") == 0
    place.applied_once(lambda: _is(place))


_REFUSED_ONCE = "SELECT count(*) FROM information_schema.processlist WHERE state = 'User lock' AND db = database()"


@pytest.mark.fault("F57")
@pytest.mark.on(MARIADB)
def test_a_holder_who_has_not_said_yet_who_it_is(place: Place) -> None:
    """Between the lock and the note about it: the refused one looks again instead of naming a connection's number."""
    name = f"migrate_flow:{place.query('SELECT database()')[0][0]}"
    with place.connected() as keeper:
        number = keeper.exec_driver_sql(f"SELECT GET_LOCK('{name}', 0), CONNECTION_ID()").one()[1]
        with place.started(*APPLY) as late:
            wait_until(lambda: place.query(_REFUSED_ONCE)[0][0], "the late one to ask for the lock")
            wait_until(lambda: not place.query(_REFUSED_ONCE)[0][0], "the late one to be refused the lock")
            note = f"'{name}', {number}, 'migrate-flow ben@host:7', UTC_TIMESTAMP()"
            keeper.exec_driver_sql(f"REPLACE INTO migrate_flow_holder VALUES ({note})")
            keeper.commit()
            code, document = _ended(late)
    assert (code, document["error"]["code"]) == (5, "busy")
    assert "is locked by migrate-flow ben@host:7 (connection" in document["error"]["message"]


# Someone reads the ledger, then is kept from looking at the database until the runner before is through.
_KEPT = {
    SQLITE: "BEGIN EXCLUSIVE",
    POSTGRESQL: "LOCK TABLE migrate_flow.target IN ACCESS EXCLUSIVE MODE",
    MARIADB: "LOCK TABLES migrate_flow_target WRITE",
}
_WAITING = {
    POSTGRESQL: "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
    MARIADB: "SELECT count(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for table%%'"
    " AND db = database()",
}


def _waits(place: Place, runner: subprocess.Popen[str]) -> bool:
    if place.dialect != SQLITE:
        return bool(place.query(_WAITING[place.dialect])[0][0])
    opened = [str(path.resolve()) for path in Path(f"/proc/{runner.pid}/fd").glob("*")]
    return place.url.removeprefix("sqlite:///") in opened


@pytest.mark.fault("F56")
def test_the_ledger_grows_between_reading_it_and_the_lock(place: Place) -> None:
    """What the second has read is old when it gets the lock: it must not settle again what has an outcome."""
    place.second(SCRIPT)
    with place.started(*APPLY, MIGRATE_FLOW_FAILPOINT="evidence-read:stop") as first:
        wait_until(lambda: stopped(first), "the first to have its evidence")
        with place.connected() as keeper, place.started(*APPLY) as second:
            keeper.exec_driver_sql(_KEPT[place.dialect])
            wait_until(lambda: _waits(place, second), "the second to look at the database")
            go_on(first)
            assert _ended(first)[0] == 0
            keeper.rollback()
            keeper.close()
            code, document = _ended(second)
    assert (code, document.get("steps", [])) == (0, []), document
    assert document["recovered"] == []
    assert place.kinds()[-2:] == ["apply.intended", "apply.applied"]
    place.applied_once(lambda: _is(place))


CONCURRENTLY = (
    'with op.get_context().autocommit_block():\n    op.execute("CREATE INDEX CONCURRENTLY ix ON t_aaaa01 (id)")'
)
BUILDS = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONC%%' AND wait_event = 'virtualxid'"
VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix'::regclass"


@pytest.mark.on(POSTGRESQL)
@pytest.mark.fault("F56")
def test_runners_come_while_an_index_is_built_concurrently(place: Place) -> None:
    """The build waits for every snapshot that is older: a runner that waited in a transaction would lock up both."""
    place.second(CONCURRENTLY)
    with place.connected() as application, place.started(*APPLY) as first:
        application.exec_driver_sql("INSERT INTO t_aaaa01 VALUES (7, 'not committed yet')")
        wait_until(lambda: place.query(BUILDS), "the build to wait for the application")
        with _runners(place, 2) as late:
            assert {(code, _names_holder(document)) for code, document in map(_ended, late)} == {(5, first.pid)}
        application.commit()
        assert _ended(first)[0] == 0
    assert place.query(VALID) == [(True,)]
    place.applied_once()


@pytest.mark.on(POSTGRESQL)
@pytest.mark.fault("F56", "F60")
def test_a_runner_polls_while_an_orphan_builds_an_index_concurrently(place: Place) -> None:
    """The second has the lock of its own, and asks again and again whether the killed one's build is over."""
    place.second(CONCURRENTLY)
    with place.connected() as application:
        application.exec_driver_sql("INSERT INTO t_aaaa01 VALUES (7, 'not committed yet')")
        with place.started(*APPLY) as first:
            wait_until(lambda: place.query(BUILDS), "the build to wait for the application")
            first.kill()
        with place.started(*APPLY) as second:
            held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND objid = 1"
            wait_until(lambda: place.query(held) == [(1,)], "the second to have the lock")
            application.commit()
            code, document = _ended(second)
    assert place.query(VALID) == [(True,)]
    assert code == 6, document
    assert "--statement 1=done|not-done" in document["error"]["hint"]
    place.recover("--statement", "1=done", "--resume", "-m", "the index is there, and valid")
    place.apply()
    place.applied_once()


@pytest.mark.fault("F69")
@pytest.mark.on(SQLITE)
def test_eight_append_at_once(place: Place) -> None:
    """Three people record scripts of their own from eight processes: no entry is lost, and there is one chain."""
    made = [f"bbbb{number:02}" for number in range(24)]
    for earlier, revision in zip([FIRST, *made], made, strict=False):
        write_script(place.versions, revision, earlier)
    people = (ADA, BEN, CARLA)
    words = [("track", *made[number * 3 : number * 3 + 3]) for number in range(8)]
    before = len(proof.rows(place.shell.folder))
    with ExitStack() as stack:
        started = [
            stack.enter_context(place.started(*each, actor=people[number % 3])) for number, each in enumerate(words)
        ]
        ended = [(process.communicate(timeout=END_S), process.returncode) for process in started]
    assert [code for _said, code in ended] == [0] * 8, ended
    rows = proof.rows(place.shell.folder)
    fresh = [proof.predicate(row) for row in rows[before:]]
    assert [row["seq"] for row in rows] == list(range(1, before + 25))
    assert sorted(said["revision"] for said in fresh) == made
    assert len({proof.predicate(row)["nonce"] for row in rows}) == len(rows)
    proof.head(rows)
    assert place.json("ledger", "verify")["ok"]
