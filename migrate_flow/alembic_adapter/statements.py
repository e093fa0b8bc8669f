"""Sees every statement that a script sends: numbers it, keeps the journal, refuses what must not be."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

from migrate_flow.core.canonical import sha256
from migrate_flow.core.trace import OPENED, STATEMENT, TRANSACTION, Durability, Journaled, shortened
from migrate_flow.dialects import Dialect
from migrate_flow.dialects.dialect import Begun
from migrate_flow.errors import TargetError, UnsettledError
from migrate_flow.failpoint import Failpoint, passing
from migrate_flow.services.ports import Running, Step, Supervisor

LONGEST_KEPT = 16_000
_READS = re.compile(
    r"\s*(--[^\n]*\n\s*|/\*(?!!).*?\*/\s*)*(select|show|explain|describe|desc|pragma|set|use)\b", re.I | re.S
)
_OURS = re.compile(r"\bmigrate_flow[\"`\]]?\s*\.|\bmigrate_flow_(target|receipt|journal|holder)\b", re.I)
_NOTHING = {"mysql": "DO 0", "mariadb": "DO 0", "postgresql": "DO 'BEGIN END'", "sqlite": "SELECT 1"}


class Statements:
    """The statements of one step, on its connection. Reads are not numbered: they leave nothing."""

    def __init__(
        self,
        connection: Connection,
        dialect: Dialect,
        begun: Begun,
        step: Step,
        supervisor: Supervisor,
        running: Running,
    ) -> None:
        self._connection, self._dialect, self._begun = connection, dialect, begun
        self._dbapi = connection.connection.dbapi_connection
        self._step, self._supervisor, self._running = step, supervisor, running
        self._n, self._digest = 0, ""
        self._pending, self._last = 0, ""  # statements that the next commit makes durable
        self._opened = 0  # the number of the first of them, in a database that journals
        self._current: Journaled | None = None  # sent, durable by itself, not answered
        self._deaf = False
        self.in_block = False
        self._strangers = 0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """While the script's function runs."""
        listeners: tuple[tuple[str, Any, bool], ...] = (
            ("engine_connect", self._connected, False),
            ("before_cursor_execute", self._before, True),
            ("after_cursor_execute", self._after, False),
            ("handle_error", self._failed, False),
            ("commit", self._committing, False),
        )
        for name, listener, retval in listeners:
            event.listen(Engine, name, listener, retval=retval)
        try:
            yield
        finally:
            for name, listener, _retval in listeners:
                event.remove(Engine, name, listener)
        if self._strangers:
            raise _stranger()

    def close_transaction(self) -> None:
        """Before a commit: what it makes durable goes into the journal, in the same transaction."""
        self.require_open()
        if self._pending and (self._dialect.journals or self._begun.blocks or self._step.manifest.in_blocks):
            count = f"{self._pending} statements, the last: " if self._pending > 1 else ""
            done = Journaled(self._n, self._digest, TRANSACTION, Durability.DONE, count + self._last)
            with self.unheard():
                tables = self._dialect.tables
                if self._opened:
                    tables.forget(self._connection, self._step.attempt, self._opened)
                tables.note(self._connection, self._step.attempt, done)
        self._pending = self._opened = 0

    def require_open(self) -> None:
        """Raises UnsettledError where the script has ended the transaction that its last statements began."""
        if self._opened and self._supervisor.sees(self._opened):
            raise UnsettledError(
                "the script ended the transaction by itself", hint="remove COMMIT or ROLLBACK from the script"
            )

    def _open(self, statement: str) -> None:
        """The first statement that is not durable yet: its row is seen from outside only if somebody commits."""
        number, digest = self._n + 1, _chained(self._digest, statement)
        item = Journaled(number, digest, OPENED, Durability.DONE, statement[:LONGEST_KEPT])
        with self.unheard():
            self._dialect.tables.note(self._connection, self._step.attempt, item)
        self._opened = number

    @contextmanager
    def unheard(self) -> Iterator[None]:
        """While our own statements run on the script's connection."""
        before, self._deaf = self._deaf, True
        try:
            yield
        finally:
            self._deaf = before

    def _mine(self, connection: Connection) -> bool:
        return not self._deaf and connection.connection.dbapi_connection is self._dbapi

    def _connected(self, connection: Connection) -> None:
        if connection.connection.dbapi_connection is not self._dbapi:
            self._strangers += 1
            connection.close()
            raise _stranger()

    def _before(
        self, connection: Connection, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool
    ) -> tuple[str, Any]:
        if not self._mine(connection):
            return statement, parameters
        if _OURS.search(statement):
            raise TargetError(
                f"the script touches migrate-flow's own tables: {shortened(statement)}",
                hint="leave them alone: they are what proves that a migration ran",
            )
        self._running.statement, self._running.since = shortened(statement), time.monotonic()
        with self.unheard():
            self._dialect.before_statement(connection, self._begun, statement)
        if _READS.match(statement):
            return statement, parameters
        if self._already_durable(statement):
            return _NOTHING[connection.dialect.name], [()] if many else ()
        if self._dialect.commits_by_itself(statement, in_block=self.in_block):
            self._start(statement)
        else:
            if self._dialect.journals and not self._pending:
                self._open(statement)
            self._pending, self._last = self._pending + 1, statement[:LONGEST_KEPT]
        self._number(statement)
        return statement, parameters

    def _number(self, statement: str) -> None:
        self._n += 1
        self._digest = _chained(self._digest, statement)
        self._running.n = self._n

    def _start(self, statement: str) -> None:
        self.close_transaction()
        number, digest = self._n + 1, _chained(self._digest, statement)
        text = statement[:LONGEST_KEPT]
        item = Journaled(number, digest, STATEMENT, Durability.IN_DOUBT, text)
        self._supervisor.note(item)
        self._current = item
        passing(Failpoint.STATEMENT_STARTED)

    def _after(self, connection: Connection, *_: Any) -> None:
        if self._mine(connection) and self._current is not None:
            passing(Failpoint.STATEMENT_ENDED)
            if self._dialect.journals and self._dbapi is not None:
                # What the journal calls done is committed, even of a CALL that did not commit by itself.
                self._dbapi.commit()
            self._supervisor.mark(self._current.n, Durability.DONE)
            self._current = None
            passing(Failpoint.STATEMENT_JOURNALED)

    def _failed(self, context: ExceptionContext) -> None:
        if context.connection is None or not self._mine(context.connection):
            return  # of our own connection, which asks for tables that may be missing
        current, self._current = self._current, None
        if current is None or context.is_disconnect or not isinstance(context.original_exception, Exception):
            return  # nobody knows what became of it: the catalog may tell
        if self._supervisor.unchanged(current):
            self._supervisor.mark(current.n, Durability.NOT_DONE)

    def _committing(self, connection: Connection) -> None:
        if self._mine(connection) and self._dialect.journals:
            self.close_transaction()

    def _already_durable(self, statement: str) -> bool:
        """Whether an earlier attempt made this statement durable. Raises UnsettledError where it sent another one."""
        durable = [item for item in self._step.resumed if item.state is Durability.DONE]
        last = max((item.n for item in durable), default=0)
        if self._n >= last:
            return False
        self._number(statement)
        expected = next((item for item in durable if item.n == self._n), None)
        if expected is not None and expected.digest != self._digest:
            raise UnsettledError(
                f"statement {self._n} is not what the earlier attempt sent ({shortened(statement)})",
                hint="undo by hand what it left, then: migrate-flow recover --env ENV --abandon -m WHAT-YOU-DID",
            )
        return True


def _stranger() -> TargetError:
    return TargetError(
        "the script opens a connection of its own: what it does there can't be rolled back",
        hint="use op.get_bind(), the connection that the migration runs on",
    )


def _chained(digest: str, statement: str) -> str:
    return sha256((digest + statement).encode()).removeprefix("sha256:")
