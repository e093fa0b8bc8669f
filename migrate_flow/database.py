"""From an environment's configuration to its database, on connections of our own."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from migrate_flow.core.dialects import is_file, speaks
from migrate_flow.core.facts import Activity, Identity, Observation, Receipt, Remains
from migrate_flow.core.guard import SeenGuard
from migrate_flow.core.redaction import redact, remember
from migrate_flow.core.trace import Trace
from migrate_flow.dialects import Dialect, dialect_for
from migrate_flow.dialects.kept import Kept
from migrate_flow.dialects.supervisor import Supervisor, probed
from migrate_flow.errors import BusyError, ConfigError, MigrateFlowError, TargetError, UsageError

if TYPE_CHECKING:
    from migrate_flow.core.snapshot import Snapshot
    from migrate_flow.dialects.dialect import Guard

Secret = Callable[[str], str | None]
_SECRET_PARAMETERS = ("password", "passwd", "sslpassword", "ssl_key_password")


def resolve_url(text: str, environment: str, keyring_secret: Secret, where: str = "") -> URL:
    """The URL that a configuration value means: a literal, ``env:NAME`` or ``keyring:NAME``. where: it is written,
    default the environment's own place.

    Every secret in it is remembered for the redactor. Raises ConfigError, never with the value in it.
    """
    where = where or f"[environments.{environment}] url"
    kind, _, name = text.partition(":")
    if kind == "env":
        value = os.environ.get(name, "")
        if not value:
            raise ConfigError(
                f"the variable {name} is not set, which holds the URL of {environment}",
                hint=f"export {name}='dialect://user:password@host/database'",
                where=where,
            )
    elif kind == "keyring":
        value = keyring_secret(name) or ""
        if not value:
            raise ConfigError(
                f"the keyring holds no URL under {name!r}", hint=f"migrate-flow env login {environment}", where=where
            )
    else:
        value = text
    return parse_url(value, where)


def parse_url(value: str, where: str) -> URL:
    """Raises ConfigError without repeating the value."""
    try:
        url = make_url(value.strip())
        path = is_file(url.get_backend_name())
    except (ArgumentError, ValueError):
        raise ConfigError(
            "the URL can't be read",
            hint="dialect://user:password@host:port/database, special characters in the password %-encoded",
            where=where,
        ) from None
    if "@" in (url.host or "") or (not path and "@" in (url.database or "")):
        remember(url.host)
        raise ConfigError(
            "the URL holds more than one @: the password's own must be %-encoded",
            hint="write @ in a password as %40",
            where=where,
        )
    remember(url.password if isinstance(url.password, str) else None)
    for parameter in _SECRET_PARAMETERS:
        for secret in url.normalized_query.get(parameter, ()):
            remember(secret)
    if not path and not url.database:
        raise ConfigError("the URL names no database", hint="dialect://user@host:port/database", where=where)
    return url


@dataclass(frozen=True)
class DatabaseTarget:
    """Implements `Target`. root: the folder that relative SQLite paths start from. made: its engine, once there is
    one. kept: connections, while a run lasts."""

    environment: str
    dialect: str
    root: Path
    person: str
    url: Callable[[], URL]
    made: list[Engine] = field(default_factory=list, compare=False, repr=False)
    kept: Kept = field(default_factory=Kept, compare=False, repr=False)

    def keeping(self) -> AbstractContextManager[None]:
        return self.kept.keeping(self._dialect.costly)

    def connect_anew(self) -> None:
        self.kept.drop()

    def observe(self) -> Observation:
        return self._look(lambda _connection: ()).observation

    def left_by(self, attempt: str) -> Remains:
        def ask(connection: Connection) -> tuple[Receipt | None, Trace]:
            tables = self._dialect.tables
            trace = probed(self._dialect, connection, tables.read_trace(connection, attempt))
            return tables.read_receipt(connection, attempt), trace

        return self._look(ask, tables=False)

    def with_receipts(self) -> Remains:
        return self._look(lambda connection: (None, Trace(), self._dialect.tables.upgrades(connection)))

    def _look(self, more: Callable[[Connection], tuple[Any, ...]], *, tables: bool = True) -> Remains:
        """One connection for all that is asked at a time: what it shows belongs together. tables: those of others too,
        which nobody asks for behind a step."""
        try:
            url = self.url()
            if not speaks(url.get_backend_name(), self.dialect):
                return Remains(Observation(dialect=url.get_backend_name()))
            engine = self._engine()
            if engine is None:
                return Remains(Observation(dialect=self.dialect, server="no database yet", absent=True))
            return self.kept.again(lambda: self._remains(engine, more, tables=tables))
        except SQLAlchemyError as error:
            problem = f"{self.environment} can't be reached: {first_line(error)}"
            return Remains(Observation(dialect=self.dialect, problem=problem))
        except MigrateFlowError as error:
            return Remains(Observation(dialect=self.dialect, problem=error.message))

    def _remains(self, engine: Engine, more: Callable[[Connection], tuple[Any, ...]], *, tables: bool) -> Remains:
        with self.kept.connected(engine, "look", [self._dialect.only_look]) as connection:
            return Remains(self._observed(connection, others=tables), *more(connection))

    def _observed(self, connection: Connection, *, others: bool) -> Observation:
        tables = self._dialect.tables
        identity = tables.read_identity(connection)
        return Observation(
            dialect=self._dialect.observed_name(connection),
            server=self._dialect.server(connection),
            tables=self._dialect.foreign_tables(connection) if others else (),
            identity=identity,
            heads=tables.read_heads(connection, identity) if identity else None,
            receipt=tables.newest_receipt(connection, identity.ledger) if identity else None,
            obstacle=self._dialect.obstacle(connection),
        )

    def _engine(self) -> Engine | None:
        """One for all our connections, each of them new: an engine learns its server and compiles statements once.
        None where there is no database yet, which a look must not make."""
        if not self.made and (found := self._dialect.engine(self.url(), self.root, self.application)):
            self.made.append(found)
        return self.made[0] if self.made else None

    def _making_engine(self) -> Engine:
        found = self._engine()
        if found is None:
            found = self._dialect.creating_engine(self.url(), self.root, self.application)
            self.made.append(found)
        return found

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        with self._translated(), self._making_engine().connect() as connection:
            yield connection

    def claim(self, identity: Identity) -> None:
        guard = self._dialect.guard
        with self._connected() as connection:
            if guard is not None:
                guard.permit(connection, identity.uuid)
            self._dialect.prepare(connection)
            self._dialect.tables.write_identity(connection, identity)
            if guard is not None:
                guard.release(connection, identity.uuid)
            connection.commit()

    def activity(self) -> tuple[Activity, ...]:
        with self._translated():
            engine = self._engine()
            if engine is None:
                return ()
            with engine.connect() as connection:
                return self._dialect.activity(connection)

    def snapshot(self) -> Snapshot | None:
        return self.kept.again(self._snapshot)

    def _snapshot(self) -> Snapshot | None:
        with self._looking() as connection:
            if connection is None:
                return None
            return self._dialect.snapshot(connection, self._version_tables(connection), rows=True)

    def unchanged(self, rows: str) -> bool:
        with self._looking() as connection:
            if connection is None or not rows:
                return False
            return self._dialect.rows(connection, self._version_tables(connection)) == rows

    def _version_tables(self, connection: Connection) -> frozenset[str]:
        """Alembic's, by the names that a snapshot may have for them."""
        identity = self._dialect.tables.read_identity(connection)
        connection.commit()  # the schema is read in a transaction of its own, of one state
        if identity is None:
            return frozenset({"alembic_version"})
        return frozenset({".".join(filter(None, (identity.version_schema, identity.version_table)))})

    @contextmanager
    def _looking(self) -> Iterator[Connection | None]:
        """A connection that waits for nobody's locks for long; None where there is no database yet."""
        with self._translated():
            engine = self._engine()
            if engine is None:
                yield None
                return
            settle_in = [self._dialect.only_look, self._dialect.be_brief]
            with self.kept.connected(engine, "schema", settle_in) as connection:
                yield connection

    def guard(self, after: int = 0) -> SeenGuard:
        guard = self._guard()
        with self._connected() as connection:
            self._dialect.be_brief(connection)
            status = guard.status(connection)
            return SeenGuard(status, guard.log(connection, after), guard.runners(connection))

    def install_guard(self, mode: Literal["audit", "block"], held: object, roles: tuple[str, ...]) -> None:
        guard = self._guard()
        with self._connected() as connection:
            self._require_held(connection, held)
            with self._superuser_said():
                guard.install(connection, mode, self.environment, roles)

    def remove_guard(self, held: object) -> None:
        guard = self._guard()
        with self._connected() as connection:
            self._require_held(connection, held)
            with self._superuser_said():
                guard.remove(connection, self.environment)

    @contextmanager
    def _superuser_said(self) -> Iterator[None]:
        """The way that leaves the role that migrates without rights over the guard comes first."""
        try:
            yield
        except TargetError as error:
            if error.__cause__ is None:
                raise
            hint = f"export SUPERUSER_URL=…, and --superuser-url env:SUPERUSER_URL; or, {error.hint}"
            raise TargetError(error.message, hint=hint, where=error.where) from error

    def _guard(self) -> Guard:
        guard = self._dialect.guard
        if guard is None:
            raise UsageError(
                f"there is no guard for {self.dialect}, whose server calls nobody when a schema is changed",
                hint=f"guards are for postgresql; elsewhere: migrate-flow drift --env {self.environment}",
                where=f"[environments.{self.environment}] dialect",
            )
        return guard

    def _require_held(self, connection: Connection, held: object) -> None:
        """Raises UsageError where this is not the very database that is locked: a copy has the same identity row."""
        here = self._dialect.holds(connection, held)
        connection.rollback()
        if not here:
            raise UsageError(
                f"this URL leads to another database than that of {self.environment}, or the lock on it was lost",
                hint=f"the same host, port and database as [environments.{self.environment}] url, as another user",
                where="--superuser-url",
            )

    def row_estimates(self, relations: Sequence[str]) -> Mapping[str, int]:
        try:
            engine = self._engine()
            if engine is None:
                return {}
            with engine.connect() as connection:
                return self._dialect.row_estimates(connection, relations)
        except (SQLAlchemyError, MigrateFlowError):
            return {}  # the plan says elsewhere that it is out of reach

    @contextmanager
    def lock(self, *, end_orphans: bool = False) -> Iterator[object]:
        with ExitStack() as stack:
            with self._translated():
                places = (self.url(), self.root, self.application)
                lock = self._dialect.lock(*places, engine=self._engine(), end_orphans=end_orphans)
                try:
                    held = stack.enter_context(lock)
                except BusyError as error:
                    hint = error.hint.replace("--env ENV", f"--env {self.environment}")
                    raise BusyError(error.message, hint=hint, where=self.environment) from None
            yield held

    @contextmanager
    def supervise(self, attempt: str) -> Iterator[Supervisor]:
        with self._translated(), ExitStack() as stack:
            yield self.kept.again(lambda: self._supervisor(stack, attempt))

    def _supervisor(self, stack: ExitStack, attempt: str) -> Supervisor:
        with ExitStack() as own:
            kept = self.kept.connected(self._making_engine(), "supervisor", [self._dialect.watch])
            connection = own.enter_context(kept)
            supervisor = Supervisor.on(connection, self._dialect, attempt)
            stack.push(own.pop_all())
            return supervisor

    def migration_url(self) -> str:
        return self._dialect.migration_url(self.url(), self.root).render_as_string(hide_password=False)

    @property
    def _dialect(self) -> Dialect:
        return dialect_for(self.dialect, f"[environments.{self.environment}] dialect")

    @property
    def application(self) -> str:
        return f"migrate-flow {self.person or '-'}@{socket.gethostname()}:{os.getpid()}"

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise TargetError(
                f"{self.environment}: {first_line(error)}",
                hint=f"migrate-flow env test {self.environment}",
                where=self.environment,
            ) from error


def first_line(error: BaseException) -> str:
    """The driver's own words, redacted, in one line."""
    original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    said, text = getattr(original, "diag", None), str(original)
    from migrate_flow.dialects.guard_postgresql import FAILED, REFUSED

    if said is not None and said.sqlstate in (REFUSED, FAILED):
        # Without the function's own line number, which would stand behind the command to use instead.
        text = "; ".join(filter(None, (said.message_primary, said.message_hint)))
    return redact(" ".join(text.split()) or type(original).__name__)
