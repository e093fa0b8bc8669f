"""Listens to what a script sends while it runs on a scratch database: the SQL, its line, and the locks it holds."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import SQLAlchemyError

from migrate_flow.core.rehearsal import HeldLock, Sent
from migrate_flow.dialects.tables import SCHEMA

LONGEST_KEPT = 64_000
_OURS = os.path.dirname(os.path.dirname(__file__)) + os.sep  # noqa: PTH120, as the code's own file names are written
_TABLES = "SELECT oid FROM pg_class WHERE relkind IN ('r', 'p', 'm')"
_LOCKS = """
SELECT c.oid, c.relnamespace::regnamespace::text, c.oid::regclass::text, l.mode
FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
WHERE l.pid = pg_backend_pid() AND l.granted AND l.locktype = 'relation' AND c.relkind IN ('r', 'p', 'm')"""
_NOT_THE_SCRIPTS = frozenset({SCHEMA, "pg_catalog"})
# From the weakest to the strongest, as PostgreSQL's manual has them.
_MODES = (
    "AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock", "ShareLock",
    "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock",
)  # fmt: skip


@dataclass
class Recording:
    """sent: in order. locks: the strongest on each table, when the last transaction was about to
    commit."""

    sent: list[Sent] = field(default_factory=list)
    locks: list[HeldLock] = field(default_factory=list)


class _Listener:
    """What SQLAlchemy's events of one step come to."""

    def __init__(self, path: str, version_table: str) -> None:
        self.recording = Recording()
        self._path, self._version_table = path, version_table
        self._begun: dict[int, tuple[int, float]] = {}
        self._first = 0.0
        self._asks = False
        self._tables: frozenset[int] = frozenset()  # that stood before the script's first statement

    def before(self, connection: Connection, cursor: Any, *_: Any) -> None:
        line = 0 if self._asks else _line(self._path)
        if not line:
            return
        if not self._first and connection.dialect.name == "postgresql":
            self._asks = True  # this one passes here as well
            with suppress(SQLAlchemyError):
                self._tables = frozenset(connection.exec_driver_sql(_TABLES).scalars())
            self._asks = False
        now = time.perf_counter()
        self._first = self._first or now
        self._begun[id(cursor)] = line, now

    def after(
        self, connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, _many: bool
    ) -> None:
        known = self._begun.pop(id(cursor), None)
        if known is not None:
            line, since = known
            block = connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
            seconds = round(time.perf_counter() - since, 4)
            self.recording.sent.append(Sent(_text(statement, parameters, context), line, seconds, block))

    def committing(self, connection: Connection) -> None:
        if connection.dialect.name != "postgresql" or not self._first:
            return
        try:
            rows = connection.exec_driver_sql(_LOCKS).all()
        except SQLAlchemyError:
            return  # the step fails at its own commit, and says so itself
        held = round(time.perf_counter() - self._first, 4)
        strongest: dict[str, str] = {}
        for oid, schema, name, mode in rows:
            others = schema in _NOT_THE_SCRIPTS or name.rpartition(".")[2].strip('"') == self._version_table
            if oid in self._tables and not others and mode in _MODES:
                strongest[name] = max(strongest.get(name, mode), mode, key=_MODES.index)
        self.recording.locks[:] = [
            HeldLock(name, mode, held) for name, mode in sorted(strongest.items()) if mode != _MODES[0]
        ]


@contextmanager
def recorded(path: str, version_table: str = "") -> Iterator[Recording]:
    """While a step runs. path: of the script; what is not sent from one of its lines is not the script's.

    version_table: Alembic's, whose lock is none of the script's.
    """
    listener = _Listener(path, version_table)
    listeners = (
        ("before_cursor_execute", listener.before),
        ("after_cursor_execute", listener.after),
        ("commit", listener.committing),
    )
    for name, method in listeners:
        event.listen(Engine, name, method)
    try:
        yield listener.recording
    finally:
        for name, method in listeners:
            event.remove(Engine, name, method)


def _line(path: str) -> int:
    """The script's line that this statement comes from; 0 where no line of it is on the stack, or something of ours
    that the script's statement set off stands between."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        name = frame.f_code.co_filename
        if name == path:
            return frame.f_lineno
        if name.startswith(_OURS):
            return 0
        frame = frame.f_back
    return 0


def _text(statement: str, parameters: Any, context: Any) -> str:
    """Without its values: what is recorded is kept for ever, and a value may be a secret."""
    said = statement.strip()
    if parameters and getattr(context, "compiled", None) is not None and not isinstance(parameters, list):
        said += f"  -- with {len(parameters)} value{'s' if len(parameters) > 1 else ''}, not recorded"
    return said[:LONGEST_KEPT]
