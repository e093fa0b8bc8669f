"""A PostgreSQL database with our tables, two roles of its own, and a guard when a test asks for one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from sqlalchemy import URL, Connection, make_url

from migrate_flow.core.facts import Identity
from migrate_flow.core.guard import GuardStatus, LoggedDdl
from migrate_flow.core.snapshot import Snapshot
from migrate_flow.dialects import dialect_for
from migrate_flow.dialects import guard_postgresql as guard
from tests.support.postgres import PostgresServer, database_name

POSTGRESQL = dialect_for("postgresql")
SUPERUSER = "postgres"
REFUSED, FAILED = "MF001", "MF002"
_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Guarded:
    """migrator: owns our tables and may write permits. stranger: may make tables, and has no right on ours."""

    server: PostgresServer
    url: str
    migrator: str
    stranger: str

    @staticmethod
    @contextmanager
    def on(server: PostgresServer, *setup: str) -> Iterator[Guarded]:
        """A new database with our tables, and what the superuser sets up in it. It goes with its roles."""
        number = next(_NUMBERS)
        made = Guarded(server, server.create_database(), f"Guard migrator {number}", f"guard_stranger_{number}")
        for role in (made.migrator, made.stranger):
            server.execute(f'CREATE ROLE "{role}" LOGIN')
            server.execute(f'GRANT CREATE ON DATABASE "{made.database}" TO "{role}"')
            server.execute(f'GRANT CREATE ON SCHEMA public TO "{role}"', database=made.database)
        with made.ours(made.migrator) as connection:
            POSTGRESQL.prepare(connection)
            POSTGRESQL.tables.write_identity(connection, Identity("uuid", "shop", "prod", "ledger"))
            connection.commit()
        for statement in setup:
            made.ddl(statement)
        try:
            yield made
        finally:
            server.drop_database(made.url)
            for role in (made.migrator, made.stranger):
                server.execute(f'DROP OWNED BY "{role}"')
                server.execute(f'DROP ROLE "{role}"')

    @contextmanager
    def copied(self) -> Iterator[Guarded]:
        """A clone with the same roles."""
        copy = Guarded(self.server, self.server.create_database(self.database), self.migrator, self.stranger)
        try:
            yield copy
        finally:
            self.server.drop_database(copy.url)

    @property
    def database(self) -> str:
        return database_name(self.url)

    def client(self, role: str = SUPERUSER, *, autocommit: bool = True) -> psycopg.Connection:
        """What anybody may come with: a plain connection of the driver's."""
        return psycopg.connect(
            host=str(self.server.folder),
            user=role,
            dbname=self.database,
            autocommit=autocommit,
            application_name="psql",
        )

    def ddl(self, statement: str, role: str = SUPERUSER) -> None:
        """Run it outside a transaction, on a connection of its own."""
        with self.client(role) as client:
            client.execute(statement.encode())

    def refusal(self, statement: str, role: str = SUPERUSER) -> psycopg.errors.Diagnostic:
        """What the server says to a statement that it must not do. Raises AssertionError if it did it."""
        try:
            self.ddl(statement, role)
        except psycopg.Error as error:
            return error.diag
        raise AssertionError(f"not refused: {statement}")

    @contextmanager
    def ours(self, role: str = SUPERUSER, *, autocommit: bool = False) -> Iterator[Connection]:
        """A connection as the product has them."""
        engine = POSTGRESQL.creating_engine(self._url(role), Path(), "migrate-flow test")
        with engine.connect() as connection:
            if autocommit:
                connection.execution_options(isolation_level="AUTOCOMMIT")
            yield connection

    def _url(self, role: str) -> URL:
        return make_url(self.url).set(username=role)

    def install(self, mode: guard.Mode, role: str = SUPERUSER) -> None:
        with self.ours(role) as connection:
            guard.install(connection, mode, "prod")

    def remove(self, role: str = SUPERUSER) -> None:
        with self.ours(role) as connection:
            guard.remove(connection, "prod")

    def status(self, role: str = "") -> GuardStatus:
        with self.ours(role or self.migrator) as connection:
            return guard.status(connection)

    def log(self, after_id: int = 0, role: str = "") -> tuple[LoggedDdl, ...]:
        with self.ours(role or self.migrator) as connection:
            return guard.log(connection, after_id)

    def value(self, query: str) -> object:
        return self.server.execute(query, database=self.database)[0][0]

    def snapshot(self) -> Snapshot:
        with self.ours() as connection:
            return POSTGRESQL.snapshot(connection)

    def unusable(self) -> dict[str, str]:
        """Indexes that are INVALID."""
        with self.ours() as connection:
            return POSTGRESQL.leftovers(connection)

    def server_log(self) -> str:
        return (self.server.folder / "log").read_text(errors="replace")
