"""Scratch databases on a server: PostgreSQL, which copies them as templates, and MariaDB or MySQL, which can't."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from sqlalchemy import URL, Connection, Engine, create_engine, pool
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from migrate_flow.core.dialects import KINDS
from migrate_flow.core.redaction import redact, remember
from migrate_flow.errors import TargetError
from migrate_flow.rehearsal.scratch import PREFIX

TEMPLATE = "migrate_flow_template_"
MOST_TEMPLATES = 12
LEFT_OVER_S = 24 * 3600


class _ServerScratch:
    """A database of its own on a server. name: as `new_name` makes them."""

    copies = False
    exclusive = True
    quote = '"'

    def __init__(self, server: URL, engine: Engine, name: str) -> None:
        self._server, self._engine = server, engine
        self._name = name

    @property
    def url(self) -> URL:
        return self._server.set(database=self._name)

    def empty(self) -> None:
        with self._admin() as connection:
            self._drop(connection, self._name)
            self._run(connection, f"CREATE DATABASE {self._quoted(self._name)}")

    def keep(self) -> None:
        raise NotImplementedError(type(self).__name__)  # copies is False

    back = keep

    def store(self, key: str) -> None:
        """No templates here."""

    def fetch(self, keys: Sequence[str]) -> int:
        return -1

    def close(self) -> None:
        with suppress(TargetError), self._admin() as connection:
            self._drop(connection, self._name)
            self._drop(connection, f"{self._name}_kept")

    def _names(self, connection: Connection, prefix: str) -> list[str]:
        rows = connection.exec_driver_sql("SELECT schema_name FROM information_schema.schemata")
        return sorted(row[0] for row in rows if row[0].startswith(prefix))

    def sweep(self) -> None:
        """What runs left that were killed together with their children, a day ago or more."""
        with self._admin() as connection:
            for name in self._names(connection, PREFIX):
                with suppress(ValueError, SQLAlchemyError):
                    if time.time() - int(name.removeprefix(PREFIX).split("_")[0], 16) > LEFT_OVER_S:
                        self._drop(connection, name)

    def _drop(self, connection: Connection, name: str) -> None:
        self._run(connection, f"DROP DATABASE IF EXISTS {self._quoted(name)}")

    def _run(self, connection: Connection, statement: str) -> None:
        connection.exec_driver_sql(statement)

    def _quoted(self, name: str) -> str:
        return f"{self.quote}{name}{self.quote}"

    @contextmanager
    def _admin(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection.execution_options(isolation_level="AUTOCOMMIT")
        except SQLAlchemyError as error:
            said = " ".join(str(getattr(error, "orig", None) or error).split())
            raise TargetError(
                f"the server for scratch databases: {redact(said)}",
                hint="see that it runs, and that its user may make databases",
                where="[rehearsal]",
            ) from error


def on_server(dialect: str, url: str, name: str) -> _ServerScratch:
    """url: of the server, with its secret. name: of the scratch database."""
    server = make_url(url)
    remember(server.password)
    engine = create_engine(server, poolclass=pool.NullPool, hide_parameters=True)
    return _SCRATCHES[KINDS[dialect].scratch](server, engine, name)


class MysqlScratch(_ServerScratch):
    """Implements `Scratch` for MariaDB and MySQL."""

    quote = "`"

    def _drop(self, connection: Connection, name: str) -> None:
        """Whoever is still on it goes first: the server does not notice a killed client before its statement ends."""
        with suppress(SQLAlchemyError):
            theirs = "SELECT id FROM information_schema.processlist WHERE db = %s AND id <> CONNECTION_ID()"
            for (number,) in connection.exec_driver_sql(theirs, (name,)).all():
                with suppress(SQLAlchemyError):  # gone meanwhile
                    connection.exec_driver_sql(f"KILL {int(number)}")
        super()._drop(connection, name)


class PostgresqlScratch(_ServerScratch):
    """Implements `Scratch`."""

    copies = True

    def keep(self) -> None:
        with self._admin() as connection:
            self._copy(connection, self._name, f"{self._name}_kept")

    def back(self) -> None:
        with self._admin() as connection:
            self._copy(connection, f"{self._name}_kept", self._name)

    def store(self, key: str) -> None:
        name = TEMPLATE + key[:32]
        with suppress(TargetError), self._admin() as connection:
            if name not in self._names(connection, TEMPLATE):
                # Under another name until it is whole: a run that is killed must not leave half a template.
                self._copy(connection, self._name, f"{self._name}_kept")
                self._run(connection, f'ALTER DATABASE "{self._name}_kept" RENAME TO "{name}"')
            self._run(connection, f"COMMENT ON DATABASE \"{name}\" IS 'migrate-flow {int(time.time())} {os.getpid()}'")
            self._throw_out(connection)

    def fetch(self, keys: Sequence[str]) -> int:
        with self._admin() as connection:
            known = set(self._names(connection, TEMPLATE))
            for number, name in enumerate(TEMPLATE + key[:32] for key in keys):
                # Somebody else may copy it at this moment, or have thrown it out.
                with suppress(SQLAlchemyError):
                    if name in known:
                        self._copy(connection, name, self._name)
                        return number
        return -1

    def _names(self, connection: Connection, prefix: str) -> list[str]:
        """The newest first, by the comment that `store` leaves."""
        rows = connection.exec_driver_sql(
            "SELECT datname FROM pg_database ORDER BY shobj_description(oid, 'pg_database') DESC NULLS LAST, datname"
        )
        return [name for (name,) in rows if name.startswith(prefix)]

    def _throw_out(self, connection: Connection) -> None:
        for name in self._names(connection, TEMPLATE)[MOST_TEMPLATES:]:
            with suppress(SQLAlchemyError):
                self._drop(connection, name)

    def _drop(self, connection: Connection, name: str) -> None:
        self._run(connection, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _copy(self, connection: Connection, source: str, to: str) -> None:
        self._drop(connection, to)
        self._run(connection, f'CREATE DATABASE "{to}" TEMPLATE "{source}"')


_SCRATCHES: dict[str, type[_ServerScratch]] = {"postgresql": PostgresqlScratch, "mysql": MysqlScratch}
