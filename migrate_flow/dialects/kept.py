"""Connections of our own that a run uses again: to start one costs a server more than most of what is asked on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from migrate_flow.errors import MigrateFlowError

LONGEST_IDLE_S = 5.0  # then a server or a firewall may have ended it, and another server may answer by now
_T = TypeVar("_T")


class Kept:
    """By purpose, one of each: what a session was told for one purpose is never met by another. Nothing is kept
    outside of `keeping`, and nothing of a use that failed."""

    def __init__(self) -> None:
        self._idle: dict[str, tuple[Connection, float]] = {}
        self._keeps = False
        self._failed = False  # whether one that was used again did, since the last drop

    @contextmanager
    def keeping(self, keeps: bool) -> Iterator[None]:
        """keeps: False where a connection costs nothing."""
        self._keeps = keeps
        try:
            yield
        finally:
            self._keeps = False
            self.drop()

    @contextmanager
    def connected(
        self, engine: Engine, purpose: str, settle_in: Sequence[Callable[[Connection], None]]
    ) -> Iterator[Connection]:
        """Without a transaction, at its begin and at its end. settle_in: what a new one is told for this purpose."""
        connection, since = self._idle.pop(purpose, (None, 0.0))
        if connection is not None and time.monotonic() - since > LONGEST_IDLE_S:
            _close(connection)
            connection = None
        again, connection = connection is not None, connection or engine.connect()
        try:
            for tell in () if again else settle_in:
                tell(connection)
            yield connection
        except BaseException:
            self._failed = self._failed or again
            _close(connection)
            raise
        self._give_back(purpose, connection)

    def _give_back(self, purpose: str, connection: Connection) -> None:
        """Whoever used it has what they came for, even if it is gone by now: what had to be written was committed."""
        try:
            connection.commit()  # psycopg forgets what it prepared after each ROLLBACK
        except SQLAlchemyError:
            _close(connection)
            return
        if self._keeps and purpose not in self._idle:
            self._idle[purpose] = connection, time.monotonic()
        else:
            _close(connection)

    def again(self, ask: Callable[[], _T]) -> _T:
        """What is asked, and on new connections once more if one that was kept fails: it alone may be gone."""
        try:
            return ask()
        except (SQLAlchemyError, MigrateFlowError):
            if not self.drop():
                raise
            return ask()

    def drop(self) -> bool:
        """From now on new ones, as after any error. Returns whether an old one failed."""
        found, self._idle = self._idle, {}
        failed, self._failed = self._failed, False
        for connection, _since in found.values():
            _close(connection)
        return failed


def _close(connection: Connection) -> None:
    with suppress(SQLAlchemyError):
        connection.close()
