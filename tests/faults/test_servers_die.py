"""The server goes, ends our session, chooses us as a deadlock's victim, or has no room: what was begun is undone."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import Terminal
from tests.faults.matrix import MARIADB, POSTGRESQL, SQLITE
from tests.faults.place import FIRST, Place, go_on, stopped, wait_until
from tests.faults.test_locks_held import configure
from tests.support.alembic_projects import make_project, put_under_the_flow, table, write_script
from tests.support.killable import KillablePostgres
from tests.support.postgres import PostgresServer, unprivileged
from tests.support.small_disk import small_disk

ROW = "op.execute(\"INSERT INTO t_aaaa01 VALUES (2, 'two')\")"
SLOW = {
    POSTGRESQL: "CREATE TABLE slow AS SELECT pg_sleep(30)::text AS nothing",
    MARIADB: "CREATE TABLE slow AS SELECT SLEEP(30) AS nothing",
}


def _governed(dialect: str, terminal: Terminal, folder: Path, url: str) -> Place:
    """As the fixture `place`, on a server that the test may kill."""
    place = Place(dialect, terminal(folder / "shop").under(DEV_URL=url), url)
    make_project(place.shell)
    put_under_the_flow(place.shell, "dev=env:DEV_URL", team=True)
    write_script(place.versions, FIRST)
    place.flow("track")
    place.apply()
    place.execute("INSERT INTO t_aaaa01 VALUES (1, 'one')")
    return place


def _killed_in_mid_ddl(place: Place, kill: Callable[[], None], start: Callable[[], None]) -> None:
    place.second(f'{ROW}\nopen("running", "w").close()\nop.execute("{SLOW[place.dialect]}")')
    with place.started("apply", "--env", "dev") as process:
        wait_until((place.shell.folder / "running").exists, "the script to begin")
        time.sleep(0.5)
        begun = time.monotonic()
        kill()
        _out, err = process.communicate(timeout=60)
        assert time.monotonic() - begun < 25
    assert process.returncode == 6, err
    assert "its outcome is not known" in err
    assert "hint: migrate-flow recover --env dev" in err
    assert "Traceback" not in err
    assert place.kinds()[-1] == "apply.intended"
    assert place.error("recover", "--env", "dev", code=6)["hint"]
    start()


@pytest.mark.fault("F17", dialect=POSTGRESQL)
def test_postgresql_is_killed_in_mid_ddl(terminal: Terminal, tmp_path: Path) -> None:
    with KillablePostgres() as server:
        place = _governed(POSTGRESQL, terminal, tmp_path, server.create_database())
        _killed_in_mid_ddl(place, server.kill, server.start)
        place.as_before()
        assert [item["outcome"] for item in place.recover()["recovered"]] == ["failed"]
        place.second(ROW)
        place.apply()
        place.applied_once()


@pytest.mark.mariadb
@pytest.mark.fault("F17", dialect=MARIADB)
def test_mariadb_is_killed_in_mid_ddl(terminal: Terminal, tmp_path: Path) -> None:
    from tests.support.mariadb import MariadbServer

    with MariadbServer() as server:
        place = _governed(MARIADB, terminal, tmp_path, server.create_database())
        _killed_in_mid_ddl(place, server.kill, server.start)
        assert place.heads() == [FIRST]
        assert "slow" not in place.tables()
        # The row before the CREATE TABLE came with its implicit commit.
        error = place.error("recover", "--env", "dev", code=6)
        assert "INSERT INTO t_aaaa01" in error["message"]
        assert error["message"].count("statement 2") <= 1
        place.execute("DELETE FROM t_aaaa01 WHERE id = 2")
        place.recover("--abandon", "-m", "took the row away")
        place.second(ROW)
        place.apply()
        place.applied_once()


@pytest.mark.on(POSTGRESQL, MARIADB)
@pytest.mark.fault("F41")
def test_the_server_ends_an_idle_transaction(place: Place) -> None:
    """PostgreSQL by our own limit; MariaDB by the server's."""
    if place.dialect == POSTGRESQL:
        configure(place, statement_timeout="1s")
        limit = ""
    else:
        limit = 'op.execute("SET SESSION idle_transaction_timeout = 1")\n'
    place.second(f"{limit}{ROW}\n__import__('time').sleep(2.5)\nop.execute(\"DELETE FROM t_aaaa01\")")
    (step,) = place.apply(code=3)["steps"]
    assert step["outcome"] == "failed"
    said = step["error"].lower()
    assert "idle" in said or "gone away" in said or "lost connection" in said or "timeout" in said, said
    assert place.last()["kind"] == "apply.failed"
    place.as_before()
    place.second(ROW)
    place.apply()
    place.applied_once()


DEADLOCK = """\
import time
op.execute("UPDATE t_aaaa01 SET text = text WHERE id = 1")
open("ours", "w").close()
while not os.path.exists("theirs"):
    time.sleep(0.02)
op.execute("UPDATE other SET n = n + 1")
op.execute("INSERT INTO t_aaaa01 VALUES (2, 'two')")
"""


@pytest.mark.on(POSTGRESQL, MARIADB)
@pytest.mark.fault("F42")
def test_the_victim_of_a_deadlock(place: Place) -> None:
    """Rolled back, and tried again from its beginning: the row is there once."""
    place.prepared("CREATE TABLE other (n int)", "INSERT INTO other VALUES (1), (2), (3), (4), (5), (6), (7), (8)")
    place.second(DEADLOCK)
    folder = place.shell.folder

    def oppose() -> None:
        with place.connected() as connection:
            if place.dialect == POSTGRESQL:
                connection.exec_driver_sql("SET deadlock_timeout = '5min'")  # ours is the one that looks
            connection.exec_driver_sql("UPDATE other SET n = n + 10")
            wait_until((folder / "ours").exists, "our row")
            threading.Timer(0.5, (folder / "theirs").touch).start()
            connection.exec_driver_sql("UPDATE t_aaaa01 SET text = text WHERE id = 1")
            connection.commit()

    opponent = threading.Thread(target=oppose, daemon=True)
    opponent.start()
    (step,) = place.apply()["steps"]
    opponent.join(timeout=30)
    assert not opponent.is_alive()
    assert (step["outcome"], step["tries"]) == ("applied", 2)
    assert place.last()["tries"] == 2
    assert place.query("SELECT sum(n) FROM other") == [(36 + 80 + 8,)]
    place.applied_once(lambda: _rows(place, 2))


def _rows(place: Place, count: int) -> None:
    assert place.count("t_aaaa01") == count


# -- The disk

MANY = 'op.execute("INSERT INTO big SELECT * FROM big")\n'


@pytest.mark.on(SQLITE)
@pytest.mark.fault("F44")
def test_the_file_can_grow_no_more(place: Place) -> None:
    """A limit on the process's files (EFBIG) stands for a disk that is full."""
    place.second(f'{ROW}\n{table("big")}\nop.execute("INSERT INTO big (text) VALUES (zeroblob(5000000))")')
    with place.started("apply", "--env", "dev", MIGRATE_FLOW_FAILPOINT="step-begun:stop") as process:
        wait_until(lambda: stopped(process), "step-begun")
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
        go_on(process)
        process.communicate(timeout=60)
        assert process.returncode == 3
    assert "disk" in place.last()["error"]
    place.as_before()
    place.apply()
    place.applied_once()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """5 MiB that belong to the database's server."""
    with small_disk(tmp_path / "small", 5 * 1024) as folder:
        tmp_path.chmod(0o755)
        yield folder


def _own(folder: Path) -> None:
    identity = unprivileged()
    os.chown(folder, identity["user"], identity["group"])
    for parent in folder.parents:  # pytest keeps its folders to itself
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o011)


@pytest.mark.system
@pytest.mark.on(SQLITE)
@pytest.mark.fault("F44")
def test_the_disk_of_a_file_is_full(place: Place, disk: Path) -> None:
    url = place.url
    moved = disk / "dev.db"
    moved.write_bytes(Path(url.removeprefix("sqlite:///")).read_bytes())
    there = Place(SQLITE, place.shell.under(DEV_URL=f"sqlite:///{moved}"), f"sqlite:///{moved}")
    there.second(f'{ROW}\n{table("big")}\nop.execute("INSERT INTO big (text) VALUES (zeroblob(8000000))")')
    (step,) = there.apply(code=3)["steps"]
    assert "database or disk is full" in step["error"]
    there.as_before()
    there.second(ROW)
    there.apply()
    there.applied_once()


@pytest.mark.system
@pytest.mark.on(POSTGRESQL)
@pytest.mark.fault("F44")
def test_the_disk_of_postgresql_is_full(place: Place, disk: Path, postgres: PostgresServer) -> None:
    _own(disk)
    postgres.execute("DROP TABLESPACE IF EXISTS small")
    postgres.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
    try:
        place.prepared("CREATE TABLE big (text text) TABLESPACE small", "INSERT INTO big VALUES (repeat('x', 1000))")
        place.second(f"{ROW}\nfor _ in range(14):\n    {MANY}")
        (step,) = place.apply(code=3)["steps"]
        assert "No space left on device" in step["error"]
        assert place.count("big") == 1
        place.prepared("DROP TABLE big")
        place.as_before()
        place.second(ROW)
        place.apply()
        place.applied_once()
    finally:
        place.execute("DROP TABLE IF EXISTS big")
        postgres.execute("DROP TABLESPACE small")


@pytest.mark.system
@pytest.mark.on(MARIADB)
@pytest.mark.fault("F44")
def test_the_disk_of_mariadb_is_full(place: Place, disk: Path) -> None:
    _own(disk)
    place.prepared(
        f"CREATE TABLE big (text text) DATA DIRECTORY = '{disk}'", "INSERT INTO big VALUES (repeat('x', 1000))"
    )
    try:
        place.second(f"{ROW}\nfor _ in range(14):\n    {MANY}")
        (step,) = place.apply(code=3)["steps"]
        assert "full" in step["error"]
        assert place.count("big") == 1
    finally:
        place.prepared("DROP TABLE big")
    place.as_before()
    place.second(ROW)
    place.apply()
    place.applied_once()
