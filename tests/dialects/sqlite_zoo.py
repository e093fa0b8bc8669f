"""The zoo of SQLite, and what looks at it: clients in processes of their own, and our snapshots."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, create_engine, pool

from migrate_flow.core.snapshot import Difference, Snapshot, difference
from migrate_flow.dialects import dialect_for

SQLITE = dialect_for("sqlite")
ZOO = (Path(__file__).parent / "zoo" / "sqlite.sql").read_text()
VERSION_TABLE = frozenset({"alembic_version"})
_CLIENT = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.executescript(sys.stdin.read())
connection.close()
"""


def by_hand(file: Path, script: str) -> None:
    """SQL in a process of its own, which knows nothing but Python's sqlite3."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _CLIENT, file], input=script, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def snapshot_of_file(file: Path) -> Snapshot:
    engine = create_engine(f"sqlite:///{file}", poolclass=pool.NullPool)
    with engine.connect() as connection:
        return SQLITE.snapshot(connection, VERSION_TABLE)


@contextmanager
def opened(*scripts: str) -> Iterator[Connection]:
    """A fresh database in memory, after these scripts."""
    engine = create_engine("sqlite://", poolclass=pool.StaticPool)
    with engine.connect() as connection:
        for script in scripts:
            driver(connection).executescript(script)
        yield connection
    engine.dispose()


def driver(connection: Connection) -> sqlite3.Connection:
    found = connection.connection.driver_connection
    assert isinstance(found, sqlite3.Connection)
    return found


def taken(*scripts: str) -> Snapshot:
    """Of a fresh database in memory, after these scripts."""
    with opened(*scripts) as connection:
        return SQLITE.snapshot(connection, VERSION_TABLE)


def told(before: Snapshot, after: Snapshot) -> Sequence[Difference]:
    found = difference(before, after)
    assert isinstance(found, tuple), found
    return found
