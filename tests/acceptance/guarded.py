"""A project on a PostgreSQL database of its own, whose role is no superuser, and plain clients beside it."""

from __future__ import annotations

import itertools
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg

from tests.support.alembic_projects import ADA, make_project, put_under_the_flow
from tests.support.postgres import PostgresServer, database_name
from tests.support.shell import Shell

SUPERUSER = "postgres"
WITH_SUPERUSER = ("--superuser-url", "env:SUPERUSER_URL")
_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Place:
    """A project with one environment, whose role owns what it makes and is no superuser. driver: of env.py."""

    shell: Shell
    server: PostgresServer
    role: str
    database: str
    driver: str = "psycopg"

    @property
    def versions(self) -> Path:
        return self.shell.folder / "migrations" / "versions"

    def url(self, role: str = "", driver: str = "psycopg") -> str:
        # asyncpg takes the socket's folder as host too.
        return f"postgresql+{driver}://{role or self.role}@/{self.database}?host={self.server.folder}"

    def at_hand(self) -> Place:
        """With the variables that the commands read."""
        urls = {"DEV_URL": self.url(driver=self.driver), "SUPERUSER_URL": self.url(SUPERUSER)}
        return replace(self, shell=self.shell.under(**urls))

    def copied(self, folder: Path) -> Place:
        shutil.copytree(self.shell.folder, folder)
        database = database_name(self.server.create_database(self.database))
        self.server.execute(f'GRANT CREATE ON DATABASE "{database}" TO {self.role}')
        return replace(self, shell=self.shell.at(folder), database=database).at_hand()

    def drop(self) -> None:
        self.server.drop_database(self.url())

    def sql(self, statement: str, role: str = SUPERUSER) -> list[tuple[Any, ...]]:
        """As somebody with a plain client."""
        host = str(self.server.folder)
        with psycopg.connect(
            host=host, user=role, dbname=self.database, autocommit=True, application_name="psql"
        ) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def refusal(self, statement: str, role: str = "") -> str:
        """What the guard says to it. Raises AssertionError where it lets it pass."""
        try:
            self.sql(statement, role or self.role)
        except psycopg.Error as error:
            if error.sqlstate == "MF001":
                return f"{error.diag.message_primary}; {error.diag.message_hint}"
            raise
        raise AssertionError(f"not refused: {statement}")

    def permits(self) -> int:
        return int(self.sql("SELECT count(*) FROM migrate_flow.permit")[0][0])

    def logged(self) -> int:
        return int(self.sql("SELECT count(*) FROM migrate_flow.ddl_log")[0][0])

    def gate(self) -> dict[str, Any]:
        done = self.shell.flow("plan", "--env", "dev", "--format", "json", actor=ADA, code=None)
        return dict(next(verdict for verdict in json.loads(done.out)["gates"] if verdict["gate"] == "drift-free"))

    def entries(self, kind: str) -> list[dict[str, Any]]:
        return [entry for entry in self.shell.json("log")["entries"] if entry["kind"] == kind]

    def install(self, mode: str) -> dict[str, Any]:
        return self.shell.json("guard", "install", "--env", "dev", "--mode", mode, *WITH_SUPERUSER, actor=ADA)


def made(server: PostgresServer, shell: Shell, driver: str = "psycopg", template: str = "generic") -> Place:
    """A project under the flow on an empty database."""
    role = f"migrator_{next(_NUMBERS)}"
    place = Place(shell, server, role, database_name(server.create_database()), driver).at_hand()
    server.execute(f"CREATE ROLE {role} LOGIN")
    server.execute(f'GRANT CREATE ON DATABASE "{place.database}" TO {role}')
    place.sql(f"GRANT CREATE ON SCHEMA public TO {role}")
    make_project(place.shell, template)
    put_under_the_flow(place.shell, "dev=env:DEV_URL", team=True)
    return place
