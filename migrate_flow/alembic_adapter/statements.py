"""Sees every statement that a script sends: numbers it, keeps the journal, refuses what must not be."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

from migrate_flow.core.dialects import KINDS
from migrate_flow.core.trace import OPENED, STATEMENT, TRANSACTION, Durability, Journaled, shortened
from migrate_flow.errors import TargetError, UnsettledError
from migrate_flow.failpoint import Failpoint, passing

if TYPE_CHECKING:
    from migrate_flow.dialects import Dialect
    from migrate_flow.dialects.dialect import Begun
    from migrate_flow.services.ports import Running, Step, Supervisor

LONGEST_KEPT = 16_000
_READS = re.compile(
    r"\s*(--[^\n]*\n\s*|/\*(?!!).*?\*/\s*)*"
    r"(select|show|explain(?!\s*\(?\s*analy[sz]e)|describe|desc|pragma|set(?!\s+password)|use)\b",
    re.I | re.S,
)
# A SELECT that calls anything else may write: a function of the project's own.
_CALLS = re.compile(r"([\w.$]+)\s*\(")
_PURE = frozenset(
    (
        "select", "in", "exists", "values", "any", "all", "some", "and", "or", "not", "on", "as", "over", "from",
        "where", "when", "then", "else", "by", "union", "except", "intersect", "count", "sum", "min", "max", "avg",
        "coalesce", "nullif", "ifnull", "if", "cast", "convert", "concat", "lower", "upper", "length", "char_length",
        "trim", "substr", "substring", "replace", "round", "abs", "floor", "ceil", "greatest", "least", "database",
        "schema", "version", "now", "current_timestamp", "date", "row_number", "rank", "group_concat", "string_agg",
        "array_agg", "json_agg", "to_regclass", "current_schema", "current_database", "pg_table_is_visible",
        "format_type", "pg_get_expr", "pg_get_constraintdef", "pg_get_indexdef", "pg_catalog.format_type",
        "pg_catalog.pg_get_expr", "pg_catalog.pg_table_is_visible", "pg_catalog.pg_get_constraintdef", "unnest",
        "array", "generate_subscripts", "varchar", "char", "integer", "numeric", "decimal", "obj_description",
        "col_description", "pg_sleep", "sleep",
    )
)  # fmt: skip
_OURS = re.compile(r"\bmigrate_flow(_(target|receipt|journal|holder))?\b", re.I)


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
        self._opened = 0  # the number of the row that is seen only if somebody commits
        self._current: Journaled | None = None  # sent, durable by itself, not answered
        self._in_rows = False  # the current one is sent once for each of several rows
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
            self.open_transaction()
            yield
        finally:
            for name, listener, _retval in listeners:
                event.remove(Engine, name, listener)
        if self._strangers:
            raise _stranger()
        self._require_end()

    def _require_end(self) -> None:
        """The script came back: its last statements belong to a transaction that stands, and nothing of an earlier
        attempt was left out. Raises UnsettledError."""
        last = self._last_durable()
        if self._n < last:
            raise UnsettledError(
                f"the script ended behind statement {self._n}, the earlier attempt came to {last}: it goes another way",
                hint=self._give_up(),
            )
        self._require_open()
        if self._opened:
            with self.unheard():
                self._dialect.tables.forget(self._connection, self._step.attempt, self._opened)
        self._opened = 0

    def open_transaction(self) -> None:
        """In a database that journals, a row that goes with the transaction: seen from outside it tells of a commit,
        and gone from inside of a rollback, that nobody announced."""
        if not self._dialect.journals or self._opened or self.in_block:
            return
        self._opened = -(self._n + 1)
        item = Journaled(self._opened, self._digest, OPENED, Durability.DONE, "")
        with self.unheard():
            self._dialect.tables.note(self._connection, self._step.attempt, item)

    def close_transaction(self) -> None:
        """Before a commit: what it makes durable goes into the journal, in the same transaction."""
        self._require_open()
        tables, attempt = self._dialect.tables, self._step.attempt
        with self.unheard():
            if self._opened:
                tables.forget(self._connection, attempt, self._opened)
            if self._pending and self._journaled:
                count = f"{self._pending} statements, the last: " if self._pending > 1 else ""
                done = Journaled(self._n, self._digest, TRANSACTION, Durability.DONE, count + self._last)
                tables.note(self._connection, attempt, done)
        self._pending = self._opened = 0

    @property
    def _journaled(self) -> bool:
        return self._dialect.journals or self._step.manifest.in_blocks

    def _require_open(self) -> None:
        """Raises UnsettledError where the script has ended the transaction that its last statements belong to."""
        if not self._opened:
            return
        with self.unheard():
            stands = self._dialect.tables.has(self._connection, self._step.attempt, self._opened)
        if not stands or self._supervisor.sees(self._opened):
            raise UnsettledError(
                "the script, or the server, ended the transaction midway",
                hint="remove COMMIT or ROLLBACK from the script",
            )

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
        if _reads(statement):
            return statement, parameters
        digest = self._chained(statement, parameters)
        if self._already_durable(statement, digest):
            return KINDS[connection.dialect.name].nothing, [()] if many else ()
        if self._dialect.commits_by_itself(statement, in_block=self.in_block):
            self._start(statement, digest, many=many)
        else:
            self.open_transaction()
            self._pending, self._last = self._pending + 1, statement[:LONGEST_KEPT]
        self._number(digest)
        return statement, parameters

    def _chained(self, statement: str, parameters: Any) -> str:
        """With the values: what was done for other rows than before must not be passed over."""
        if not self._journaled:
            return ""
        chained = hashlib.sha256(f"{self._digest}{statement}".encode(errors="backslashreplace"))
        # Row by row: a data migration may send very many at once.
        for values in parameters if isinstance(parameters, list) else (parameters,):
            chained.update(repr(values).encode(errors="backslashreplace"))
        return chained.hexdigest()

    def _number(self, digest: str) -> None:
        self._n, self._digest = self._n + 1, digest

    def _start(self, statement: str, digest: str, *, many: bool) -> None:
        self.close_transaction()
        item = Journaled(self._n + 1, digest, STATEMENT, Durability.IN_DOUBT, statement[:LONGEST_KEPT])
        self._supervisor.note(item)
        self._current, self._in_rows = item, many
        passing(Failpoint.STATEMENT_STARTED)

    def _after(self, connection: Connection, *_: Any) -> None:
        if self._mine(connection) and self._current is not None:
            passing(Failpoint.STATEMENT_ENDED)
            if self._dialect.journals and self._dbapi is not None:
                # What the journal calls done is committed, even of a CALL that did not commit by itself.
                self._dbapi.commit()
            self._supervisor.mark(self._current.n, Durability.DONE)
            self._current = None
            self.open_transaction()
            passing(Failpoint.STATEMENT_JOURNALED)

    def _failed(self, context: ExceptionContext) -> None:
        if context.connection is None or not self._mine(context.connection):
            return  # of our own connection, which asks for tables that may be missing
        current, self._current = self._current, None
        if current is None or context.is_disconnect or not isinstance(context.original_exception, Exception):
            return  # nobody knows what became of it: the catalog may tell
        # In a block each row is durable by itself, and so is a part of a statement on a table without transactions.
        by_parts = self.in_block and (self._in_rows or bool(self._begun.memory.get("loose")))
        if not by_parts and self._supervisor.unchanged(current):
            self._supervisor.mark(current.n, Durability.NOT_DONE)

    def _committing(self, connection: Connection) -> None:
        if self._mine(connection) and self._dialect.journals:
            self.close_transaction()

    def _last_durable(self) -> int:
        return max((item.n for item in self._step.resumed if item.state is Durability.DONE), default=0)

    def _already_durable(self, statement: str, digest: str) -> bool:
        """Whether an earlier attempt made this statement durable. Raises UnsettledError where it sent another one."""
        if self._n >= self._last_durable():
            return False
        self._number(digest)
        expected = next((item for item in self._step.resumed if item.n == self._n), None)
        if expected is not None and expected.digest != digest:
            raise UnsettledError(
                f"statement {self._n}, or one before, is not what the earlier attempt sent ({shortened(statement)})",
                hint=self._give_up(),
            )
        return True

    def _give_up(self) -> str:
        command = f"migrate-flow recover --env {self._step.identity.environment} --abandon -m WHAT-YOU-DID"
        return f"undo by hand what it left, then: {command}"


def _reads(statement: str) -> bool:
    """Whether it leaves nothing, so that it may be sent again."""
    found = _READS.match(statement)
    if found is None:
        return False
    word = found[2].lower()
    return word != "select" or all(name.lower() in _PURE for name in _CALLS.findall(statement))


def _stranger() -> TargetError:
    return TargetError(
        "the script opens a connection of its own: what it does there can't be rolled back",
        hint="use op.get_bind(), the connection that the migration runs on",
    )
