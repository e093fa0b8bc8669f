"""A look at a SQLite database with the standard library alone: to load SQLAlchemy takes longer than to plan.

What is read here is read by the same queries that run on its connections.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from migrate_flow.core.facts import Identity, Observation, Receipt, Remains
from migrate_flow.core.trace import Trace
from migrate_flow.dialects import filelock

PREFIX = "migrate_flow_"
BUSY_TIMEOUT_MS = 10_000
BRIEF_MS = 200  # who looks here has another way, which waits
_IDENTITY = ("uuid", "project", "environment", "ledger", "version_table", "version_schema")
_RECEIPT = (
    "attempt", "intent_hash", "revision", "direction", "manifest", "from_heads", "to_heads", "ledger", "ledger_seq",
    "ledger_hash", "at",
)  # fmt: skip


class Reader(Protocol):
    """A connection of SQLAlchemy's, or `Plain`."""

    def exec_driver_sql(self, statement: str, parameters: Any = None, /) -> Any: ...


class Rows(list[tuple[Any, ...]]):
    def all(self) -> Sequence[tuple[Any, ...]]:
        return self


class Plain:
    def __init__(self, driver: sqlite3.Connection) -> None:
        self._driver = driver

    def exec_driver_sql(self, statement: str, parameters: Any = None, /) -> Rows:
        return Rows(self._driver.execute(statement, parameters or ()))


def there(path: Path) -> bool:
    return path.exists() and bool(path.stat().st_size)


def connect(path: Path, mode: str = "rw", wait_ms: int = BUSY_TIMEOUT_MS) -> sqlite3.Connection:
    # NOTE: mode=rw opens, but never makes, a file: looking at a target must not create one.
    return sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, timeout=wait_ms / 1000)


@contextmanager
def opened(path: Path) -> Iterator[Plain]:
    with closing(connect(path, wait_ms=BRIEF_MS)) as driver:
        yield Plain(driver)


def server() -> str:
    return f"SQLite {sqlite3.sqlite_version}"


def file(reader: Reader) -> Path:
    return Path(reader.exec_driver_sql("PRAGMA database_list").all()[0][2])


def obstacle(reader: Reader) -> str:
    path = file(reader)
    network = filelock.network_filesystem(path)
    if network:
        return f"the database file lies on a network filesystem ({network}), where locks can't be trusted"
    return "" if os.access(path, os.W_OK) else "the database file is read-only"


def foreign_tables(reader: Reader) -> tuple[str, ...]:
    query = (
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
        "AND name NOT LIKE ? ESCAPE '\\' ORDER BY name LIMIT 4"
    )
    rows = reader.exec_driver_sql(query, (PREFIX.replace("_", "\\_") + "%",))
    return tuple(row[0] for row in rows)


def identity(plain: Plain) -> Identity | None:
    rows = _rows(plain, f"{PREFIX}target", _IDENTITY, "LIMIT 1")
    return Identity(*rows[0]) if rows else None


def remains(plain: Plain, whose: Identity | None) -> Remains:
    """As it stands, with the receipts of every upgrade. whose: `identity`."""
    observation = Observation(
        dialect="sqlite",
        server=server(),
        tables=foreign_tables(plain),
        identity=whose,
        heads=_heads(plain, whose) if whose else None,
        receipt=_newest_receipt(plain, whose.ledger) if whose else None,
        obstacle=obstacle(plain),
    )
    upgrades = _rows(
        plain, f"{PREFIX}receipt", ("attempt", "revision", "manifest"), "WHERE final AND direction = ?", "upgrade"
    )
    return Remains(observation, None, Trace(), frozenset((a, revision, manifest) for a, revision, manifest in upgrades))


def _heads(plain: Plain, whose: Identity) -> tuple[str, ...]:
    return tuple(sorted(row[0] for row in _rows(plain, whose.version_table, ("version_num",), "")))


def _newest_receipt(plain: Plain, ledger: str) -> Receipt | None:
    last = "WHERE final AND ledger = ? ORDER BY ledger_seq DESC LIMIT 1"
    for row in _rows(plain, f"{PREFIX}receipt", _RECEIPT, last, ledger):
        values = dict(zip(_RECEIPT, row, strict=True))
        heads = {name: tuple(json.loads(values[name])) for name in ("from_heads", "to_heads")}
        return Receipt(**{**values, **heads})
    return None


def _rows(plain: Plain, table: str, columns: Sequence[str], rest: str, *parameters: str) -> Rows:
    """Nothing where there is no such table."""
    name = '"' + table.replace('"', '""') + '"'
    if not plain.exec_driver_sql(f"PRAGMA main.table_info({name})"):
        return Rows()
    return plain.exec_driver_sql(f"SELECT {', '.join(columns)} FROM {name} {rest}", parameters)  # noqa: S608 quoted
