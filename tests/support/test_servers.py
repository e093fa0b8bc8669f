"""The servers that tests kill, follow, pool, cut off and fill up: each of them does what the others rely on."""

from __future__ import annotations

import errno
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from tests.support.holder import check_that_it_goes_with_its_holder
from tests.support.keeper import Kept, give_to_server, installed
from tests.support.killable import KillablePostgres
from tests.support.pgbouncer import Pgbouncer
from tests.support.postgres import PostgresServer, database_name
from tests.support.proxy import Proxy
from tests.support.replica import Replica
from tests.support.small_disk import small_disk

SOCKET = ".s.PGSQL.5432"


# -- a PostgreSQL that is killed


@pytest.fixture(scope="module")
def killable() -> Iterator[KillablePostgres]:
    with KillablePostgres() as server:
        yield server


def test_what_is_committed_survives_a_kill(killable: KillablePostgres) -> None:
    killable.execute("CREATE TABLE kept AS SELECT 7 AS n")
    open_one = psycopg.connect(host=str(killable.folder), user="postgres")
    open_one.execute("INSERT INTO kept VALUES (8)")
    first = killable.pid_of_postmaster
    killable.kill()
    with pytest.raises(psycopg.OperationalError):
        open_one.execute("SELECT 1")
    open_one.close()
    with pytest.raises(psycopg.OperationalError):
        killable.execute("SELECT 1")
    killable.start()
    assert killable.pid_of_postmaster != first
    assert killable.execute("SELECT n FROM kept") == [(7,)]


def test_a_kill_ends_a_running_statement(killable: KillablePostgres) -> None:
    connection = psycopg.connect(host=str(killable.folder), user="postgres", autocommit=True)
    pid = connection.info.backend_pid
    connection.pgconn.send_query(b"SELECT pg_sleep(100)")
    killable.kill()
    state = Path(f"/proc/{pid}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"
    connection.close()
    killable.start()


def test_it_syncs(killable: KillablePostgres) -> None:
    shown = [killable.execute(f"SHOW {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")]
    assert shown == [[("on",)]] * 3


def test_a_server_killed_for_good_leaves_nothing() -> None:
    with KillablePostgres() as server:
        folder, segment = server.folder, (server.folder / "data/postmaster.pid").read_text().splitlines()[6].split()[1]
        server.kill()
    assert not folder.exists()
    assert segment not in [line.split()[1] for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]


def test_a_killed_and_restarted_server_goes_when_its_holder_is_killed() -> None:
    check_that_it_goes_with_its_holder("tests.support.killable", "KillablePostgres")


# -- a replica


@pytest.fixture(scope="module")
def replica(postgres: PostgresServer) -> Iterator[Replica]:
    with Replica(postgres) as server:
        yield server


def test_a_replica_follows_and_refuses_writes(postgres: PostgresServer, replica: Replica, pg_url: str) -> None:
    name = database_name(pg_url)
    postgres.execute("CREATE TABLE followed AS SELECT 7 AS n", database=name)
    replica.catch_up()
    engine = create_engine(replica.url(name))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT pg_is_in_recovery()")) is True
        assert connection.scalar(text("SELECT n FROM followed")) == 7
    engine.dispose()
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        replica.execute("CREATE TABLE refused (n int)", database=name)


# -- a pooler


@pytest.mark.system
def test_the_pooler_hands_out_other_backends(postgres: PostgresServer, pg_url: str) -> None:
    with Pgbouncer(postgres) as pooler:
        engine = create_engine(pooler.url(database_name(pg_url)), isolation_level="AUTOCOMMIT")
        with engine.connect() as one, engine.connect() as two:
            told = one.connection.driver_connection.info.backend_pid
            assert one.scalar(text("SELECT pg_backend_pid()")) != told
            first = one.scalar(text("SELECT pg_backend_pid()"))
            # Two's transaction takes the backend that one has just used.
            two.execution_options(isolation_level="READ COMMITTED")
            assert two.scalar(text("SELECT pg_backend_pid()")) == first
            assert one.scalar(text("SELECT pg_backend_pid()")) not in (first, told)
        engine.dispose()
        folder = pooler.folder
    assert not folder.exists()


@pytest.mark.system
def test_a_pooler_in_session_mode_keeps_the_backend(postgres: PostgresServer, pg_url: str) -> None:
    with Pgbouncer(postgres, pool_mode="session") as pooler:
        where = {"host": str(pooler.folder), "user": "postgres", "dbname": database_name(pg_url), "autocommit": True}
        with psycopg.connect(**where) as one, psycopg.connect(**where) as two:
            ask = "SELECT pg_backend_pid()"
            mine = one.execute(ask).fetchone()
            assert two.execute(ask).fetchone() != mine
            assert one.execute(ask).fetchone() == mine


def test_a_missing_program_names_its_package() -> None:
    with pytest.raises(RuntimeError, match="apt-get install mariadb-server"):
        installed("mariadbd-that-nobody-has", "mariadb-server")


def test_a_server_that_ends_at_once_is_an_error_with_its_words() -> None:
    folder = Path(tempfile.mkdtemp(prefix="mfkp-", dir="/tmp"))
    give_to_server(folder)
    kept = Kept(folder, ["/bin/sh", "-c", "echo no such setting >&2; exit 1"])
    with pytest.raises(RuntimeError, match="no such setting"):
        _until_it_ends(kept)
    kept.kill(leave_folder=False)
    assert not folder.exists()


def _until_it_ends(kept: Kept) -> None:
    limit = time.monotonic() + 20
    while time.monotonic() < limit:
        kept.require_running()


# -- a way that breaks


@pytest.fixture
def proxy(postgres: PostgresServer) -> Iterator[Proxy]:
    with Proxy(postgres.folder / SOCKET) as way:
        yield way


def test_the_text_is_a_word_of_its_own(proxy: Proxy, pg_url: str) -> None:
    engine = create_engine(proxy.through(pg_url))
    proxy.drop_on(b"COMMIT", forward=False)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 'AUTOCOMMIT'")) == "AUTOCOMMIT"
    assert not proxy.dropped.is_set()
    engine.dispose()


@pytest.mark.parametrize("forward", [False, True])
def test_a_commit_is_dropped(postgres: PostgresServer, proxy: Proxy, pg_url: str, forward: bool) -> None:
    engine = create_engine(proxy.through(pg_url))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE passed (n int)"))
    assert not proxy.dropped.is_set()
    proxy.drop_on(b"COMMIT", forward=forward)
    with engine.connect() as connection:
        connection.execute(text("INSERT INTO passed VALUES (7)"))
        with pytest.raises(OperationalError):
            connection.commit()
    assert proxy.dropped.is_set()
    assert postgres.execute("SELECT n FROM passed", database=database_name(pg_url)) == ([(7,)] if forward else [])
    with engine.begin() as connection:  # only one is broken
        connection.execute(text("INSERT INTO passed VALUES (8)"))
    engine.dispose()


def test_the_second_commit_is_dropped(postgres: PostgresServer, proxy: Proxy, pg_url: str) -> None:
    engine = create_engine(proxy.through(pg_url))
    proxy.drop_on(b"COMMIT", forward=False, skip=1)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE first_one (n int)"))
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE second_one (n int)"))
        with pytest.raises(OperationalError):
            connection.commit()
    engine.dispose()
    found = postgres.execute(
        "SELECT to_regclass('first_one'), to_regclass('second_one')", database=database_name(pg_url)
    )
    assert found == [("first_one", None)]


def test_much_passes_the_proxy(proxy: Proxy, pg_url: str) -> None:
    engine = create_engine(proxy.through(pg_url))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT repeat(:much, 3)"), {"much": "x" * 3_000_000}) == "x" * 9_000_000
    engine.dispose()


# -- a small disk


@pytest.mark.system
def test_a_small_disk_is_full(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64) as folder:
        with pytest.raises(OSError) as caught:
            (folder / "much").write_bytes(b"x" * 100_000)
        assert caught.value.errno == errno.ENOSPC
        assert os.statvfs(folder).f_blocks * os.statvfs(folder).f_frsize == 64 * 1024
    assert list(folder.iterdir()) == []


@pytest.mark.system
def test_a_small_disk_goes_though_a_file_is_open(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64) as folder:
        held = (folder / "held").open("w")
    assert not folder.is_mount()
    held.close()


@pytest.mark.system
def test_a_disk_that_cannot_be_mounted_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="needs root"), small_disk(tmp_path / "disk", -1):
        pass
