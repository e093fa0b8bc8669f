"""An application holds what a migration needs: we give up in time, so that nobody else waits behind us."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection

from tests.faults.matrix import MARIADB, POSTGRESQL, SQLITE
from tests.faults.place import Place, wait_until
from tests.support.alembic_projects import edit

ROW = "op.execute(\"INSERT INTO t_aaaa01 VALUES (2, 'two')\")"
ALTER = 'op.add_column("t_aaaa01", sa.Column("more", sa.Integer))'
# PostgreSQL: first the row, so that a retry which did not begin anew would show it twice.
SCRIPTS = {"postgresql": f"{ROW}\n{ALTER}", "mariadb": ALTER, "sqlite": f"{ROW}\n{ALTER}"}
PATIENCE_S = {"postgresql": 0.3, "mariadb": 1.0, "sqlite": 0.3}  # MariaDB counts in seconds


def configure(place: Place, **values: object) -> None:
    """Settings of dev; they are no part of the policy."""
    lines = "".join(f"\n{name} = {value!r}".replace("'", '"') for name, value in values.items())
    edit(place.shell.folder / "migrate-flow.toml", r"(?<=\n)\[environments\.dev\]", f"[environments.dev]{lines}")


def impatient(place: Place, retries: int) -> None:
    configure(place, lock_timeout=f"{round(PATIENCE_S[place.dialect] * 1000)}ms", lock_retries=retries)


@contextmanager
def held(place: Place) -> Iterator[Connection]:
    """An application in the middle of a transaction: it has read the table (SQLite: it writes)."""
    with place.connected() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if place.dialect == SQLITE else "SELECT * FROM t_aaaa01")
        yield connection
        connection.rollback()


def gave_up(place: Place, tries: int) -> None:
    begun = time.monotonic()
    (step,) = place.apply(code=3)["steps"]
    took = time.monotonic() - begun
    assert (step["outcome"], step["tries"]) == ("failed", tries)
    assert f"(tried {tries} times)" in step["error"]
    assert "lock" in step["error"].lower()
    assert took < 15, took
    last = place.last()
    assert (last["kind"], last["tries"]) == ("apply.failed", tries)


@pytest.mark.on(POSTGRESQL, MARIADB)
@pytest.mark.fault("F38")
def test_a_lock_is_held_for_good(place: Place) -> None:
    place.second(SCRIPTS[place.dialect])
    impatient(place, retries=1)
    with held(place):
        gave_up(place, tries=2)
    place.as_before()
    place.apply()
    place.applied_once()


@pytest.mark.on(SQLITE)
@pytest.mark.fault("F26")
def test_the_file_is_locked_for_good(place: Place) -> None:
    place.second(SCRIPTS[SQLITE])
    impatient(place, retries=1)
    with held(place):
        gave_up(place, tries=2)
    place.as_before()
    place.apply()
    place.applied_once()


@pytest.mark.on(SQLITE)
@pytest.mark.fault("F26")
def test_a_reader_keeps_the_commit_waiting(place: Place) -> None:
    """In SQLite's rollback mode a reader lets a writer begin, and not commit."""
    place.second(SCRIPTS[SQLITE])
    impatient(place, retries=1)
    place.execute("INSERT INTO t_aaaa01 VALUES (9, 'nine')")
    with place.connected() as connection:
        connection.exec_driver_sql("BEGIN")
        rows = connection.exec_driver_sql("SELECT * FROM t_aaaa01")
        rows.fetchone()
        gave_up(place, tries=2)
        rows.close()
        connection.rollback()
    place.execute("DELETE FROM t_aaaa01 WHERE id = 9")
    place.as_before()
    place.apply()
    place.applied_once()


@pytest.mark.fault("F26", "F39")
def test_a_lock_is_held_for_a_moment(place: Place) -> None:
    place.second(SCRIPTS[place.dialect])
    impatient(place, retries=20)
    with held(place) as connection, place.started("apply", "--env", "dev") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "trying again" in line:
                break
        connection.rollback()
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert place.last()["tries"] >= 2
    place.applied_once(lambda: _rows(place))


def _rows(place: Place) -> None:
    assert place.count("t_aaaa01") == (1 if place.dialect == MARIADB else 2)


@pytest.mark.on(POSTGRESQL, MARIADB)
@pytest.mark.fault("F40")
def test_readers_wait_no_longer_than_our_patience(place: Place) -> None:
    """Behind our waiting ALTER TABLE every reader queues: for lock_timeout at most, at each of our tries."""
    place.second(ALTER)
    impatient(place, retries=1)
    waits: list[float] = []
    ended = threading.Event()

    def read() -> None:
        with place.connected() as connection:
            while not ended.is_set():
                begun = time.monotonic()
                connection.exec_driver_sql("SELECT count(*) FROM t_aaaa01").scalar()
                connection.rollback()
                waits.append(time.monotonic() - begun)
                time.sleep(0.01)

    reader = threading.Thread(target=read, daemon=True)
    with held(place):
        reader.start()
        try:
            place.apply(code=3)
        finally:
            ended.set()
            reader.join(timeout=30)
    assert max(waits) > PATIENCE_S[place.dialect] / 2, "nobody waited: this shows nothing"
    assert max(waits) < PATIENCE_S[place.dialect] + 1.0
    place.as_before()


@pytest.mark.on(POSTGRESQL)
@pytest.mark.fault("F38")
def test_env_py_can_not_take_the_lock_timeout_away(place: Place) -> None:
    place.second(f'op.execute("SELECT 1")\n{ALTER}')
    impatient(place, retries=0)
    edit(
        place.env_py,
        r"with connectable\.connect\(\) as connection:\n",
        "with connectable.connect() as connection:\n"
        '        connection.exec_driver_sql("SET lock_timeout = 0"); connection.commit()\n',
    )
    with held(place):
        (step,) = place.apply(code=3)["steps"]
    assert "lock timeout" in step["error"]
    place.as_before()


@pytest.mark.on(POSTGRESQL, MARIADB)
@pytest.mark.fault("F38")
def test_status_says_who_holds_the_lock(place: Place) -> None:
    place.second(ALTER)
    configure(place, lock_timeout="20s", lock_retries=0)
    with held(place) as connection, place.started("apply", "--env", "dev") as process:
        wait_until(lambda: "waits" in place.flow("status").text, "status to say who waits", 15)
        connection.rollback()
        process.communicate(timeout=60)
        assert process.returncode == 0
    place.applied_once()
