"""A table that is not there is told from everything else that a server says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, create_engine, pool
from sqlalchemy.exc import DBAPIError

from migrate_flow.dialects.tables import says_no_table
from tests.support.mariadb import MariadbServer

MISSING = ("SELECT 1 FROM nobody_made_it", "SELECT 1 FROM no_such_schema.target")


@contextmanager
def _said(connection: Connection, statement: str) -> Iterator[bool]:
    with pytest.raises(DBAPIError) as raised:
        connection.exec_driver_sql(statement)
    yield says_no_table(raised.value)


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_postgresql(pg_url: str, driver: str) -> None:
    url = pg_url.replace("psycopg", driver)
    engine = create_engine(url, poolclass=pool.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in MISSING:
            with _said(connection, statement) as missing:
                assert missing
        connection.exec_driver_sql("SET statement_timeout = 50")
        for statement in ("SELECT pg_sleep(1)", "SELECT nothing", "nonsense"):
            with _said(connection, statement) as missing:
                assert not missing


@pytest.mark.mariadb
def test_mariadb(mariadb: MariadbServer, mariadb_url: str) -> None:
    del mariadb
    with create_engine(mariadb_url, poolclass=pool.NullPool).connect() as connection:
        with _said(connection, MISSING[0]) as missing:
            assert missing
        with _said(connection, "SELECT nothing") as missing:
            assert not missing


def test_sqlite() -> None:
    with create_engine("sqlite://").connect() as connection:
        with _said(connection, MISSING[0]) as missing:
            assert missing
        with _said(connection, "SELECT nothing") as missing:
            assert not missing
