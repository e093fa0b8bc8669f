"""A connection of our own beside a step: what it writes is durable at once, whatever becomes of the step."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from sqlalchemy import Connection

from migrate_flow.core.trace import Durability, Journaled, Trace
from migrate_flow.dialects.dialect import Begun, Dialect

END_GRACE_S = 10.0
POLL_S = 0.05
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Supervisor:
    """Implements the port `Supervisor`. leftovers: unusable objects that were there before the step."""

    connection: Connection
    dialect: Dialect
    attempt: str
    leftovers: frozenset[str]

    @staticmethod
    def on(connection: Connection, dialect: Dialect, attempt: str) -> Supervisor:
        dialect.watch(connection)
        return _done(connection, Supervisor(connection, dialect, attempt, dialect.leftovers(connection)))

    def note(self, item: Journaled) -> None:
        before = self.dialect.fingerprint(self.connection, item.text)
        self.dialect.tables.note(self.connection, self.attempt, replace(item, before=before))
        self.connection.commit()

    def mark(self, n: int, state: Durability) -> None:
        self.dialect.tables.mark(self.connection, self.attempt, n, state)
        self.connection.commit()

    def unchanged(self, item: Journaled) -> bool:
        """Whether the catalog shows no trace of a statement that failed; True where it can't tell."""
        found = self.dialect.tables.read_trace(self.connection, self.attempt)
        noted = next((other for other in found.statements if other.n == item.n), item)
        return _done(self.connection, _probed(self.dialect, self.connection, noted).state is not Durability.DONE)

    def waits_for(self, begun: Begun | None) -> str:
        if begun is None:
            return ""
        return _done(self.connection, self.dialect.waits_for(self.connection, begun))

    def settle(self, begun: Begun | None) -> bool:
        """End what the server may still do for the step, and wait until it did. False if it goes on all the same."""
        if begun is None or self._has_ended(begun):
            return True
        self.dialect.cancel(self.connection, begun)
        return _within(END_GRACE_S, lambda: self._has_ended(begun))

    def trace(self) -> Trace:
        found = self.dialect.tables.read_trace(self.connection, self.attempt)
        fresh = self.dialect.leftovers(self.connection) - self.leftovers
        found = replace(probed(self.dialect, self.connection, found), leftovers=tuple(sorted(fresh)))
        return _done(self.connection, found)

    def _has_ended(self, begun: Begun) -> bool:
        return _done(self.connection, self.dialect.has_ended(self.connection, begun))


def probed(dialect: Dialect, connection: Connection, trace: Trace) -> Trace:
    """The trace, with what the catalog shows of statements in doubt: whether what they change has changed."""
    return replace(trace, statements=tuple(_probed(dialect, connection, item) for item in trace.statements))


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


def _within(seconds: float, done: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(POLL_S)
    return True
