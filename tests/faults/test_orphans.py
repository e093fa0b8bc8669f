"""The client is killed, its statement goes on in the server: nobody may work there before it is over.

The statement waits for an application's transaction, so it goes on for exactly as long as the test wants.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection

from migrate_flow.failpoint import Failpoint
from tests.acceptance import databases
from tests.faults.matrix import MARIADB, POSTGRESQL
from tests.faults.place import BEFORE, Place, go_on, stopped, wait_until
from tests.support.alembic_projects import ADA, edit

# It waits for a row's lock. NOTE: for a table's, MariaDB would notice that the client is gone, and give up.
COPY = "CREATE TABLE copied AS SELECT * FROM t_aaaa01 FOR UPDATE"
SCRIPT = f'op.execute("{COPY}")'
AFTER = {"copied": BEFORE["t_aaaa01"], **BEFORE}
# Longer than the grace of a second runner, and than any of these tests.
LOCK_TIMEOUT_S = 100
_COPIES = {
    POSTGRESQL: "SELECT pid FROM pg_stat_activity WHERE query LIKE 'CREATE TABLE copied%%' AND state = 'active'"
    " AND datname = current_database()",
    MARIADB: "SELECT id FROM information_schema.processlist WHERE info LIKE 'CREATE TABLE copied%%'"
    " AND db = database()",
}
_END = {POSTGRESQL: "SELECT pg_terminate_backend({})", MARIADB: "KILL {}"}

pytestmark = pytest.mark.on(POSTGRESQL, MARIADB)


def _patient(place: Place) -> None:
    edit(place.shell.folder / "migrate-flow.toml", r"(?m)^\[environments\.dev\]\n", PATIENCE)


PATIENCE = f'[environments.dev]\nlock_timeout = "{LOCK_TIMEOUT_S}s"\nlock_retries = 0\n'


def _orphans(place: Place) -> list[int]:
    """Server processes that still work on the killed one's statement."""
    return [int(pid) for (pid,) in place.query(_COPIES[place.dialect])]


@contextmanager
def _orphaned(place: Place) -> Iterator[tuple[Connection, int, int]]:
    """The application whose transaction it waits for, the orphan in the server, and the killed client's process."""
    place.second(SCRIPT)
    _patient(place)
    with place.connected() as application:
        application.exec_driver_sql("UPDATE t_aaaa01 SET text = 'other'")
        with place.started("apply", "--env", "dev") as client:
            wait_until(lambda: _orphans(place), "the statement to wait for the application")
            client.kill()
            client.wait()
        (orphan,) = _orphans(place)
        yield application, orphan, client.pid


def _is(place: Place) -> None:
    assert databases.contents(place.url) == AFTER


def _settled(place: Place) -> None:
    """Apply again; where a statement is in doubt, look whether it was done, and say so."""
    answer = place.shell.flow("recover", "--env", "dev", actor=ADA, code=None)
    assert answer.code in (0, 6), answer
    if answer.code == 6:
        assert place.dialect == MARIADB
        done = "done" if "copied" in place.tables() else "not-done"
        place.recover("--statement", f"1={done}", "--resume", "-m", "looked for the table")
    place.apply()


@pytest.mark.fault("F60")
def test_a_second_runner_is_refused_until_the_orphan_ends(place: Place) -> None:
    with _orphaned(place) as (application, orphan, client):
        before = place.kinds()
        begun = time.monotonic()
        error = place.error("apply", "--env", "dev", code=5)
        assert time.monotonic() - begun < 20
        assert f"{ADA}@{socket.gethostname()}:{client}" in error["message"]
        doing = rf"(server process|connection) {orphan} runs for \d+ s: {re.escape(COPY)}"
        assert re.search(doing, error["message"]), error
        assert "--terminate-orphan" in error["hint"]
        assert place.kinds() == before
        assert _orphans(place) == [orphan]
        application.rollback()
        wait_until(lambda: not _orphans(place), "the orphan to end")
    _settled(place)
    place.applied_once(lambda: _is(place))


@pytest.mark.fault("F60")
def test_a_second_runner_waits_for_one_that_is_about_to_end(place: Place) -> None:
    """Within the grace of a few seconds it needs no second call. What the orphan did is found, and told."""
    with _orphaned(place) as (application, _orphan, _client), place.started("recover", "--env", "dev") as second:
        time.sleep(1.5)
        assert second.poll() is None
        application.rollback()
        out, err = second.communicate(timeout=30)
    assert second.returncode in ((0,) if place.dialect == POSTGRESQL else (0, 6)), out + err
    _settled(place)
    place.applied_once(lambda: _is(place))


def _open(place: Place) -> dict[str, Any]:
    (attempt,) = place.json("status")["attempts"]
    return dict(attempt)


@pytest.mark.fault("F61")
def test_status_shows_what_goes_on(place: Place) -> None:
    with _orphaned(place) as (application, orphan, client):
        time.sleep(1.1)
        begun = time.monotonic()
        attempt = _open(place)
        text = place.flow("status").out
        assert time.monotonic() - begun < 20
        shown = {key: attempt[key] for key in ("environment", "revision", "direction", "by", "host", "pid")}
        assert shown == {
            "environment": "dev",
            "revision": "aaaa02",
            "direction": "upgrade",
            "by": ADA,
            "host": socket.gethostname(),
            "pid": client,
        }
        (process,) = [item for item in attempt["processes"] if item["statement"]]
        assert (process["process"], process["statement"], process["lock"]) == (str(orphan), COPY, "migration")
        assert 1 <= process["statement_s"] < 100
        (blocker,) = application.exec_driver_sql(
            "SELECT pg_backend_pid()" if place.dialect == POSTGRESQL else "SELECT connection_id()"
        ).one()
        assert str(blocker) in process["waits_for"]
        assert COPY in text
        assert re.search(rf"process {orphan}, runs for \d+ s", text), text
        application.rollback()
        wait_until(lambda: not _orphans(place), "the orphan to end")
    # Nothing works on it any more, and it has no outcome: both are said.
    assert [item for item in _open(place)["processes"] if item["statement"]] == []
    _settled(place)
    assert place.json("status")["attempts"] == []


@pytest.mark.fault("F60", "F61")
def test_an_orphan_is_ended_on_demand(place: Place) -> None:
    with _orphaned(place) as (application, orphan, _client):
        assert place.error("recover", "--env", "dev", "--terminate-orphan", code=2)["hint"]
        assert _orphans(place) == [orphan]
        begun = time.monotonic()
        code = 0 if place.dialect == POSTGRESQL else 6  # what became of it nobody knows but the catalog
        place.flow("recover", "--env", "dev", "--terminate-orphan", "-m", "it waits for a report of hours", code=code)
        assert time.monotonic() - begun < 20
        assert _orphans(place) == []
        application.rollback()
    last = place.last()
    assert last["kind"] == ("apply.recovered" if place.dialect == POSTGRESQL else "apply.partial")
    assert (last["comment"], last["ended_orphans"]) == ("it waits for a report of hours", True)
    place.as_before()
    _settled(place)
    place.applied_once(lambda: _is(place))


# Our connections to the target: the lock's, then in the order in which they are made.
_OURS = {
    POSTGRESQL: "SELECT pid FROM pg_stat_activity a WHERE application_name LIKE 'migrate-flow%%' AND pid <> "
    "pg_backend_pid() AND datname = current_database() ORDER BY NOT EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid "
    "AND l.locktype = 'advisory' AND l.objid = 1), backend_start",
    MARIADB: "SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id() "
    "ORDER BY id",
}
# Those that looked at the target and at its schema before the step are kept on PostgreSQL alone, where a connection
# is costly.
TARGET_LOCK, LOOK, BESIDE, MIGRATION = 0, 1, -2, -1


def _end(place: Place, process: int) -> None:
    place.execute(_END[place.dialect].format(process))
    wait_until(lambda: (process,) not in place.query(_OURS[place.dialect]), "the connection to end")


MORE = "op.execute(\"INSERT INTO t_aaaa01 VALUES (2, 'two')\")"


@pytest.mark.fault("F62")
@pytest.mark.parametrize(
    ("point", "which"),
    [
        pytest.param(Failpoint.STEP_BEGUN, MIGRATION, id="migration, at once"),
        pytest.param(Failpoint.SCRIPT_ENDED, TARGET_LOCK, id="target lock, late"),
        pytest.param(Failpoint.SCRIPT_ENDED, BESIDE, id="beside, late"),
        pytest.param(Failpoint.SCRIPT_ENDED, LOOK, id="kept from a look, late"),
    ],
)
def test_a_connection_of_ours_is_ended_in_mid_run(place: Place, point: Failpoint, which: int) -> None:
    place.second(MORE)
    with place.started("apply", "--env", "dev", MIGRATE_FLOW_FAILPOINT=f"{point}:stop") as runner:
        wait_until(lambda: stopped(runner), "the step to stop")
        ours = [int(pid) for (pid,) in place.query(_OURS[place.dialect])]
        assert len(ours) == (5 if place.dialect == POSTGRESQL else 3), ours
        _end(place, ours[which])
        go_on(runner)
        out, err = runner.communicate(timeout=60)
    assert "Traceback" not in out + err
    assert not re.search(r"is a bug|please report", out + err)
    if which == BESIDE:
        # It is needed for the evidence, not for the step: done or not, the next command finds out.
        assert runner.returncode in (0, 3, 6), out + err
    elif which == LOOK and place.dialect == POSTGRESQL:
        assert runner.returncode == 0, out + err  # the next look is on a new one
    elif which == LOOK:
        assert runner.returncode in (0, 3, 6), out + err
    else:
        assert runner.returncode == 3, out + err
        assert place.last()["kind"] == "apply.failed"
        place.as_before()
    if which == TARGET_LOCK:
        assert "lock on the target was lost" in out + err
    _settled(place)
    place.applied_once()
    assert place.count("t_aaaa01") == 2


@pytest.mark.fault("F62")
def test_the_lock_goes_after_it_was_checked_for_the_last_time(place: Place) -> None:
    """The migration's own lock stands until it is over, so another runner still waits; nothing is done twice."""
    place.second(MORE)
    with place.started("apply", "--env", "dev", MIGRATE_FLOW_FAILPOINT="receipt-written:stop") as runner:
        wait_until(lambda: stopped(runner), "the step to stop")
        lock = int(place.query(_OURS[place.dialect])[TARGET_LOCK][0])
        _end(place, lock)
        error = place.error("apply", "--env", "dev", code=5)
        assert f":{runner.pid}" in error["message"], error
        go_on(runner)
        out, err = runner.communicate(timeout=60)
    assert runner.returncode == 0, out + err
    place.applied_once()
    assert place.count("t_aaaa01") == 2
