"""The private MariaDB: it answers, it survives being killed, its COMMIT can be dropped, and it goes with its holder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from tests.support.holder import check_that_it_goes_with_its_holder
from tests.support.proxy import Proxy

if TYPE_CHECKING:
    from tests.support.mariadb import MariadbServer

pytestmark = pytest.mark.mariadb


def test_mariadb_answers(mariadb: MariadbServer, mariadb_url: str) -> None:
    engine = create_engine(mariadb_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE words (word text)"))
        connection.execute(text("INSERT INTO words VALUES ('žluť 🌻')"))
        assert connection.scalar(text("SELECT @@skip_networking")) == 1
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT word FROM words")) == "žluť 🌻"
    engine.dispose()
    assert mariadb.execute("SELECT 1 + %s", 2) == [(3,)]
    assert mariadb.folder.stat().st_mode & 0o077 == 0


def test_a_mariadb_database_is_dropped_under_a_connection(mariadb: MariadbServer) -> None:
    url = mariadb.create_database()
    engine = create_engine(url)
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE held (n int)"))
        connection.execute(text("INSERT INTO held VALUES (1)"))
        mariadb.drop_database(url)
        connection.invalidate()
    engine.dispose()
    assert mariadb.execute("SELECT count(*) FROM information_schema.tables WHERE table_name = 'held'") == [(0,)]


def test_what_mariadb_has_committed_survives_a_kill() -> None:
    from tests.support.mariadb import MariadbServer  # its driver is of no use to a plain run

    with MariadbServer() as server:
        engine = create_engine(server.create_database())
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE kept (n int)"))
            connection.execute(text("INSERT INTO kept VALUES (7)"))
        with engine.connect() as connection:
            connection.execute(text("INSERT INTO kept VALUES (8)"))
            first = server.pid
            server.kill()
            with pytest.raises(OperationalError):
                connection.execute(text("SELECT 1"))
        server.start()
        assert server.pid != first
        with engine.connect() as connection:
            assert connection.execute(text("SELECT n FROM kept")).scalars().all() == [7]
        engine.dispose()
        folder = server.folder
    assert not folder.exists()


@pytest.mark.parametrize("forward", [False, True])
def test_a_commit_to_mariadb_is_dropped(mariadb: MariadbServer, mariadb_url: str, forward: bool) -> None:
    from tests.support.mariadb import database_name as name_in

    mariadb.execute("CREATE TABLE passed (n int)", database=name_in(mariadb_url))
    with Proxy(mariadb.socket) as proxy:
        engine = create_engine(proxy.through(mariadb_url))
        proxy.drop_on(b"COMMIT", forward=forward)
        with engine.connect() as connection:
            connection.execute(text("INSERT INTO passed VALUES (7)"))
            with pytest.raises(OperationalError):
                connection.commit()
        assert proxy.dropped.is_set()
        with engine.connect() as connection:
            assert connection.execute(text("SELECT n FROM passed")).scalars().all() == ([7] if forward else [])
        engine.dispose()


def test_a_killed_and_restarted_mariadb_goes_when_its_holder_is_killed() -> None:
    check_that_it_goes_with_its_holder("tests.support.mariadb", "MariadbServer")
