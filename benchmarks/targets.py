"""The databases: a SQLite file in the project's folder, or a database of a private PostgreSQL server."""

from __future__ import annotations

import os
import secrets
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.support.postgres import PostgresServer

FILE = "dev.db"


class Target(Protocol):
    """Where the changes go."""

    @property
    def url(self) -> str:
        """As SQLAlchemy has it."""
        ...

    def empty(self) -> None:
        """Make it anew, empty. A file goes with its folder, so there is nothing to do for one."""
        ...

    def tables(self, folder: Path) -> int:
        """How many of the changes are there; folder: where the contender ran."""
        ...


@dataclass(frozen=True, slots=True)
class SqliteTarget:
    @property
    def url(self) -> str:
        return f"sqlite:///{FILE}"

    def empty(self) -> None:
        pass

    def tables(self, folder: Path) -> int:
        with closing(sqlite3.connect(folder / FILE)) as connection:
            query = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name GLOB 't_[0-9]*'"
            (count,) = connection.execute(query).fetchone()
        return int(count)


@dataclass(frozen=True, slots=True)
class Server:
    """running: reached over a socket by all but JDBC, which has no such thing and comes by port and password."""

    running: PostgresServer
    port: int
    password: str
    socket: Path

    def url(self, scheme: str, database: str) -> str:
        return f"{scheme}://postgres@/{database}?host={self.socket.parent}&port={self.port}"


@dataclass(frozen=True, slots=True)
class PostgresTarget:
    server: Server
    database: str

    @property
    def url(self) -> str:
        return self.server.url("postgresql+psycopg", self.database)

    def empty(self) -> None:
        self.server.running.execute(f'DROP DATABASE IF EXISTS "{self.database}" WITH (FORCE)')
        self.server.running.execute(f'CREATE DATABASE "{self.database}"')

    def tables(self, folder: Path) -> int:
        query = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename ~ '^t_[0-9]+$'"
        ((count,),) = self.server.running.execute(query, database=self.database)
        return int(count)


@contextmanager
def postgres_server() -> Iterator[Server]:
    """Unlike the tests' server it keeps PostgreSQL's own defaults, durability included."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ["PGPORT"] = str(port)  # the class takes its port from there, and names none
    with PostgresServer(f"-c listen_addresses=127.0.0.1 -c port={port} -c log_statement=none") as running:
        password = secrets.token_hex(16)
        running.execute(f"ALTER ROLE postgres PASSWORD '{password}'")
        rules = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        (running.folder / "data" / "pg_hba.conf").write_text(rules)
        running.execute("SELECT pg_reload_conf()")
        yield Server(running, port, password, running.folder / f".s.PGSQL.{port}")
