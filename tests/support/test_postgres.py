"""The private server: alone, cloned from templates, and gone with the process that started it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, text

from tests.support.postgres import PostgresServer, database_name

REPOSITORY = Path(__file__).parents[2]


def test_two_databases_are_strangers(postgres: PostgresServer, pg_url: str) -> None:
    other = postgres.create_database()
    engine, other_engine = create_engine(pg_url), create_engine(other)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE only_here (id int)"))
    with engine.connect() as here, other_engine.connect() as there:
        found = [c.scalar(text("SELECT to_regclass('only_here')")) for c in (here, there)]
    engine.dispose()
    other_engine.dispose()
    postgres.drop_database(other)
    assert found == ["only_here", None]


def test_a_template_is_cloned_with_its_tables(postgres: PostgresServer, pg_url: str) -> None:
    name = database_name(pg_url)
    postgres.execute("CREATE TABLE seed AS SELECT 7 AS n", database=name)
    copy = postgres.create_database(template=name)
    assert postgres.execute("SELECT n FROM seed", database=database_name(copy)) == [(7,)]
    postgres.drop_database(copy)


def test_it_listens_on_its_socket_alone(postgres: PostgresServer) -> None:
    assert postgres.execute("SHOW listen_addresses") == [("",)]
    assert postgres.execute("SHOW unix_socket_directories") == [(str(postgres.folder),)]
    assert postgres.folder.stat().st_mode & 0o077 == 0


def test_an_error_is_raised_as_such(postgres: PostgresServer) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        postgres.execute("SELECT 1 FROM missing")


def test_the_server_goes_when_its_holder_is_killed() -> None:
    code = (
        "import time; from tests.support.postgres import PostgresServer\n"
        "server = PostgresServer().__enter__()\n"
        "print(server.folder, flush=True)\n"
        "time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    folder = Path(holder.stdout.readline().strip())
    with psycopg.connect(host=str(folder), user="postgres", autocommit=True) as connection:
        connection.execute("SELECT 1")
        holder.kill()
        holder.communicate()
        limit = time.monotonic() + 20
        while folder.exists() and time.monotonic() < limit:
            time.sleep(0.02)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    assert not folder.exists()
