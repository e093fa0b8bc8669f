"""A connection of our own beside a step: what it writes is durable at once, whatever becomes of the step."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from migrate_flow.core.redaction import redact
from migrate_flow.core.trace import Durability, Journaled, Trace
from migrate_flow.dialects.contention import within
from migrate_flow.dialects.dialect import Begun, Dialect, mentioned
from migrate_flow.errors import TargetError

END_GRACE_S = 10.0
_ENDED = "the connection beside the step was ended, by the server or on the way to it"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Supervisor:
    """Implements the port `Supervisor`. leftovers: unusable objects that were there before the step."""

    connection: Connection
    dialect: Dialect
    attempt: str
    leftovers: frozenset[str]
    # The step's own thread writes the journal while another one asks who keeps it waiting.
    turn: threading.Lock = field(default_factory=threading.Lock, compare=False)

    @staticmethod
    def on(connection: Connection, dialect: Dialect, attempt: str) -> Supervisor:
        """connection: one that `Dialect.watch` has prepared."""
        return _done(connection, Supervisor(connection, dialect, attempt, frozenset(dialect.leftovers(connection))))

    def note(self, item: Journaled) -> None:
        with self._turn():
            before = self.dialect.fingerprint(self.connection, item.text)
            # The digest proves which statement it was; a password in its text would lie there for ever.
            noted = replace(item, before=before, text=redact(item.text))
            self.dialect.tables.note(self.connection, self.attempt, noted)
            self.connection.commit()

    def mark(self, n: int, state: Durability) -> None:
        with self._turn():
            self.dialect.tables.mark(self.connection, self.attempt, n, state)
            self.connection.commit()

    def sees(self, n: int) -> bool:
        """Whether the journal's row of this number is durable."""
        with self._turn():
            found = self.dialect.tables.read_trace(self.connection, self.attempt)
            return _done(self.connection, any(item.n == n for item in found.statements))

    def unchanged(self, item: Journaled) -> bool:
        """Whether a statement that failed changed nothing: by its kind, and by what the catalog shows of it."""
        if not self.dialect.all_or_nothing(item.text):
            return False
        with self._turn():
            found = self.dialect.tables.read_trace(self.connection, self.attempt)
            noted = next((other for other in found.statements if other.n == item.n), item)
            return _done(self.connection, _probed(self.dialect, self.connection, noted).state is not Durability.DONE)

    def waits_for(self, begun: Begun | None) -> str:
        if begun is None or not begun.process:
            return ""
        with self._turn():
            return _done(self.connection, self.dialect.waits_for(self.connection, begun))

    def settle(self, begun: Begun | None) -> bool:
        """End what the server may still do for the step, and wait until it did. False if it goes on all the same."""
        with self._turn():
            if begun is not None and not self._has_ended(begun):
                self.dialect.cancel(self.connection, begun)
                if not within(END_GRACE_S, lambda: self._has_ended(begun)):
                    return False
            # Not before the step has ended: it would wait for the rows that the step deletes.
            if self.dialect.guard is not None and (begun is None or begun.guarded):
                self.dialect.guard.release(self.connection, self.attempt)
            return True

    def trace(self) -> Trace:
        with self._turn():
            found = self.dialect.tables.read_trace(self.connection, self.attempt)
            found = probed(self.dialect, self.connection, found)
            fresh = {
                name: text
                for name, text in self.dialect.leftovers(self.connection).items()
                if name not in self.leftovers
            }
            return _done(self.connection, replace(found, leftovers=tuple(sorted({*found.leftovers, *fresh.values()}))))

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One thread at a time. Raises TargetError for what the driver says."""
        with self.turn:
            try:
                yield
            except SQLAlchemyError as error:
                if self.connection.invalidated:  # from then on SQLAlchemy speaks of a transaction of its own
                    raise TargetError(_ENDED, hint="run the command again") from error
                said = " ".join(str(getattr(error, "orig", None) or error).split())
                raise TargetError(redact(said), hint="migrate-flow doctor") from error

    def _has_ended(self, begun: Begun) -> bool:
        return _done(self.connection, self.dialect.has_ended(self.connection, begun))


def probed(dialect: Dialect, connection: Connection, trace: Trace) -> Trace:
    """The trace, with what the catalog shows: whether what statements in doubt change has changed, and unusable
    objects that statements speak of which did not end well."""
    statements = tuple(_probed(dialect, connection, item) for item in trace.statements)
    texts = [item.text for item in statements if item.state is not Durability.DONE]
    left = dialect.leftovers(connection) if texts else {}
    return replace(trace, statements=statements, leftovers=tuple(left[name] for name in left if mentioned(name, texts)))


def _probed(dialect: Dialect, connection: Connection, item: Journaled) -> Journaled:
    if item.state is not Durability.IN_DOUBT or item.before is None:
        return item
    now = dialect.fingerprint(connection, item.text)
    if now is None:
        return item
    return replace(item, state=Durability.NOT_DONE if now == item.before else Durability.DONE)


def _done(connection: Connection, value: _T) -> _T:
    """End the look: the next one must see what was committed meanwhile."""
    connection.rollback()
    return value
