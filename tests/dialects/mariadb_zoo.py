"""The zoo of MariaDB, and what looks at it: clients in processes of their own, and our snapshots."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, create_engine, make_url, pool

from migrate_flow.core.snapshot import Difference, Snapshot, difference
from migrate_flow.dialects import dialect_for

if TYPE_CHECKING:
    from tests.support.mariadb import MariadbServer

MARIADB = dialect_for("mariadb")
ZOO = (Path(__file__).parent / "zoo" / "mariadb.sql").read_text()
VERSION_TABLE = frozenset({"alembic_version"})
DUMP = ("--routines", "--events", "--triggers")


@contextmanager
def connected(url: str, *, user: str = "root") -> Iterator[Connection]:
    made = make_url(url).set(drivername="mysql+pymysql", username=user)
    # Without this the driver reads all of the system's certificates, for a socket in our own folder.
    engine = create_engine(made, poolclass=pool.NullPool, connect_args={"ssl_disabled": True})
    with engine.connect() as connection:
        yield connection


def taken(url: str, *, user: str = "root") -> Snapshot:
    with connected(url, user=user) as connection:
        return MARIADB.snapshot(connection, VERSION_TABLE)


def told(before: Snapshot, after: Snapshot) -> Sequence[Difference]:
    found = difference(before, after)
    assert isinstance(found, tuple), found
    return found


def run(mariadb: MariadbServer, url: str, script: str, *, program: str = "mariadb", options: Sequence[str] = ()) -> str:
    """One of the package's programs on a database, in a process of its own: its standard output."""
    name = str(make_url(url).database)
    command = [program, "--no-defaults", f"--socket={mariadb.socket}", "--user=root", *options, name]
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fill(mariadb: MariadbServer, url: str) -> None:
    """The zoo, and nothing else, into a database; the comments in its routines too."""
    name = make_url(url).database
    run(mariadb, url, f"DROP DATABASE {name}; CREATE DATABASE {name}; USE {name};\n{ZOO}", options=["--comments"])
