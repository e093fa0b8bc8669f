"""A table that is not there is told from everything else that a server says."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, create_engine, pool
from sqlalchemy.exc import DBAPIError

from migrate_flow.dialects.tables import says_no_table
from tests.support.mariadb import MariadbServer

MISSING = ("SELECT 1 FROM nobody_made_it", "SELECT 1 FROM no_such_schema.target")


def _missing(connection: Connection, statement: str) -> bool:
    with pytest.raises(DBAPIError) as raised:
        connection.exec_driver_sql(statement)
    return says_no_table(raised.value)


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_postgresql(pg_url: str, driver: str) -> None:
    url = pg_url.replace("psycopg", driver)
    engine = create_engine(url, poolclass=pool.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in MISSING:
            assert _missing(connection, statement)
        connection.exec_driver_sql("SET statement_timeout = 50")
        for statement in ("SELECT pg_sleep(1)", "SELECT nothing", "nonsense"):
            assert not _missing(connection, statement)


@pytest.mark.mariadb
def test_mariadb(mariadb: MariadbServer, mariadb_url: str) -> None:
    del mariadb
    with create_engine(mariadb_url, poolclass=pool.NullPool).connect() as connection:
        assert _missing(connection, MISSING[0])
        assert not _missing(connection, "SELECT nothing")


def test_sqlite() -> None:
    with create_engine("sqlite://").connect() as connection:
        assert _missing(connection, MISSING[0])
        assert not _missing(connection, "SELECT nothing")
