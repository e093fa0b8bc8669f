"""Schemas of real projects: the same history gives the same fingerprint, and so does a dump and its restore."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, pool

from migrate_flow.core.snapshot import Indeterminate, Snapshot, difference
from migrate_flow.dialects import dialect_for
from tests.acceptance import real_projects
from tests.acceptance.conftest import Terminal
from tests.acceptance.real_projects import ARGILLA
from tests.dialects import mariadb_zoo
from tests.dialects.postgresql_zoo import copied, debian, taken
from tests.support.postgres import PostgresServer

if TYPE_CHECKING:
    from tests.support.mariadb import MariadbServer

OURS = frozenset({"alembic_version"})
UPGRADE = """
import sys
from argparse import Namespace
from alembic import command
from alembic.config import Config

config = Config("alembic.ini", cmd_opts=Namespace(x=[]))
config.set_main_option("sqlalchemy.url", sys.argv[1].replace("%", "%%"))
command.upgrade(config, sys.argv[2])
"""
# What MariaDB needs before optuna's revision after this one, which takes a column away that a unique key of two has:
# MySQL leaves the key with the other column, which the script then looks for, and MariaDB refuses.
KEY_OF_TWO = "v1.3.0.a"
KEY_OF_ONE = "ALTER TABLE trial_values DROP KEY trial_id, ADD UNIQUE KEY trial_id (trial_id)"
PROJECTS = [ARGILLA, *(pytest.param(name, marks=pytest.mark.real) for name in ("ckan", "optuna", "keystone"))]
# ckan's history speaks PostgreSQL alone.
OF_MANY = [ARGILLA, *(pytest.param(name, marks=pytest.mark.real) for name in ("optuna", "keystone"))]


class Built:
    """A project's history on the disk. run: plain Alembic, by default from an empty database to its heads."""

    def __init__(self, name: str, terminal: Terminal, folder: Path, server: PostgresServer) -> None:
        self.shell = terminal(folder / "project")
        made = real_projects.lay_out(name, "sqlite", self.shell, server.url("postgres"))
        self.python = made.python or sys.executable

    def run(self, url: str, to: str = "heads") -> None:
        done = subprocess.run(
            [self.python, "-c", UPGRADE, url, to], cwd=self.shell.folder, env=self.shell.variables, capture_output=True,
            text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module", params=PROJECTS)
def built(
    request: pytest.FixtureRequest,
    terminal: Terminal,
    tmp_path_factory: pytest.TempPathFactory,
    postgres: PostgresServer,
) -> Built:
    return Built(request.param, terminal, tmp_path_factory.mktemp(request.param), postgres)


@pytest.fixture(scope="module")
def old_server() -> Iterator[PostgresServer]:
    with debian() as server:
        yield server


def sqlite_schema(path: Path) -> Snapshot:
    engine = create_engine(f"sqlite:///{path}", poolclass=pool.NullPool)
    with engine.connect() as connection:
        return dialect_for("sqlite").snapshot(connection, OURS)


@pytest.mark.parametrize("built", OF_MANY, indirect=True)
def test_on_sqlite(built: Built, tmp_path: Path) -> None:
    one, other, restored = (tmp_path / f"{name}.db" for name in ("one", "other", "restored"))
    for path in (one, other):
        built.run(f"sqlite:///{path}")
    assert len(sqlite_schema(one).objects) > 5
    assert sqlite_schema(one).fingerprint == sqlite_schema(other).fingerprint
    with sqlite3.connect(one) as source, sqlite3.connect(restored) as copy:
        source.backup(copy)
    source.close()
    copy.close()
    assert sqlite_schema(restored).fingerprint == sqlite_schema(one).fingerprint


def test_on_postgresql(built: Built, postgres: PostgresServer) -> None:
    with PostgresServer() as another:
        first, second = postgres.create_database(), another.create_database()
        for url in (first, second):
            built.run(url)
        schema = taken(first, OURS)
        assert len(schema.objects) > 20
        assert taken(second, OURS).fingerprint == schema.fingerprint
        restored = copied(postgres, first, another)
        assert difference(schema, taken(restored, OURS)) == ()
        assert taken(restored, OURS).fingerprint == schema.fingerprint
    postgres.drop_database(first)


@pytest.mark.system
def test_over_two_major_versions(built: Built, postgres: PostgresServer, old_server: PostgresServer) -> None:
    """From PostgreSQL 15 to 18, with the newer server's own programs: never false drift."""
    old = old_server.create_database()
    built.run(old)
    restored = copied(old_server, old, postgres)
    found = difference(taken(old, OURS), taken(restored, OURS))
    assert found == () or isinstance(found, Indeterminate), found
    postgres.drop_database(restored)
    old_server.drop_database(old)


@pytest.mark.mariadb
@pytest.mark.real
@pytest.mark.parametrize("built", ["optuna", "keystone"], indirect=True)
def test_on_mariadb(built: Built, mariadb: MariadbServer) -> None:
    """The servers have other settings, and the databases other names. The others' histories do not run there: argilla
    has text without a length, ckan speaks PostgreSQL."""
    from tests.support.mariadb import MariadbServer  # its driver is of no use to a plain run

    with MariadbServer() as another:
        another.execute("SET GLOBAL time_zone = '+09:00', sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,STRICT_ALL_TABLES'")
        another.execute("CREATE DATABASE elsewhere")
        first, second = mariadb.create_database(), another.url("elsewhere")
        for server, url in ((mariadb, first), (another, second)):
            if "optuna" in str(built.shell.folder):
                built.run(url, KEY_OF_TWO)
                mariadb_zoo.run(server, url, KEY_OF_ONE)
            built.run(url)
        schema = mariadb_zoo.taken(first)
        assert len(schema.objects) > 20
        assert mariadb_zoo.told(schema, mariadb_zoo.taken(second)) == ()
        assert mariadb_zoo.taken(second).fingerprint == schema.fingerprint
        restored = another.create_database()
        dump = mariadb_zoo.run(mariadb, first, "", program="mariadb-dump", options=mariadb_zoo.DUMP)
        mariadb_zoo.run(another, restored, dump)
        assert mariadb_zoo.told(schema, mariadb_zoo.taken(restored)) == ()
        assert mariadb_zoo.taken(restored).fingerprint == schema.fingerprint
    mariadb.drop_database(first)
