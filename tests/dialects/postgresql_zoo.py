"""A database with one of each kind of object that PostgreSQL has, its snapshots, and plain clients that change it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, pool

from migrate_flow.core.snapshot import Difference, Snapshot, difference
from migrate_flow.dialects import dialect_for
from tests.support import postgres as support
from tests.support.postgres import PostgresServer, database_name

POSTGRESQL = dialect_for("postgresql")
ROLES = ("zoo_clerk", "zoo_auditor")
TABLESPACE = "elsewhere"
_ZOO = Path(__file__).parent / "zoo"
_DEBIAN = Path("/usr/lib/postgresql")


@contextmanager
def debian() -> Iterator[PostgresServer]:
    """A server of the system's package, which is older than the wheel's."""
    found = sorted(_DEBIAN.glob("*/bin"))
    assert found, "apt-get install postgresql"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(support, "_reachable_programs", lambda _folder: found[-1])
        server = PostgresServer()
        server.__enter__()
    try:
        yield server
    finally:
        server.stop()


def major_of(server: PostgresServer) -> int:
    ((number,),) = server.execute("SELECT current_setting('server_version_num')::int / 10000")
    return int(number)


@contextmanager
def roles_on(server: PostgresServer) -> Iterator[None]:
    """What the zoo needs of a server. Where it stands already it stays."""
    made = not server.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", ROLES[0])
    if made:
        for role in ROLES:
            server.execute(f"CREATE ROLE {role} LOGIN")
    try:
        yield
    finally:
        if made:
            for role in ROLES:
                server.execute(f"DROP ROLE {role}")


@contextmanager
def tablespace_on(server: PostgresServer) -> Iterator[None]:
    """A tablespace inside of the server's own folder; while it is there, no replica can follow."""
    client(server, "postgres", "SET allow_in_place_tablespaces = on", f"CREATE TABLESPACE {TABLESPACE} LOCATION ''")
    try:
        yield
    finally:
        server.execute(f"DROP TABLESPACE {TABLESPACE}")


@contextmanager
def zoo_on(server: PostgresServer) -> Iterator[str]:
    """The URL of a database with the zoo."""
    files = ["postgresql.sql", *(["postgresql_18.sql"] if major_of(server) >= 18 else [])]
    with roles_on(server), _filled(server, files) as url:
        yield url


@contextmanager
def expressions_on(server: PostgresServer) -> Iterator[str]:
    """The URL of a database with expressions that a server prints in two ways."""
    with _filled(server, ["postgresql_expressions.sql"]) as url:
        yield url


@contextmanager
def _filled(server: PostgresServer, files: Sequence[str]) -> Iterator[str]:
    url = server.create_database()
    try:
        for file in files:
            server.execute((_ZOO / file).read_text(), database=database_name(url))
        yield url
    finally:
        server.drop_database(url)


@contextmanager
def clone(server: PostgresServer, url: str) -> Iterator[str]:
    copy = server.create_database(database_name(url))
    try:
        yield copy
    finally:
        server.drop_database(copy)


def client(server: PostgresServer, url: str, *statements: str) -> str:
    """psql in a process of its own, in this database; each text is a transaction. Raises RuntimeError as it says."""
    how = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--host={server.folder}", "--username=postgres"]
    database = database_name(url) if "@" in url else url
    return server.run("psql", *how, f"--dbname={database}", *(f"--command={text}" for text in statements))


@contextmanager
def connected(url: str, isolation_level: str = "READ COMMITTED") -> Iterator[Connection]:
    engine = create_engine(url, poolclass=pool.NullPool, isolation_level=isolation_level)
    with engine.connect() as connection:
        yield connection


def taken(url: str, leave_out: frozenset[str] = frozenset()) -> Snapshot:
    with connected(url) as connection:
        return POSTGRESQL.snapshot(connection, leave_out, rows=True)


def told(before: Snapshot, after: Snapshot) -> Sequence[Difference]:
    found = difference(before, after)
    assert isinstance(found, tuple)
    assert not found or before.rows != after.rows  # the quick look must not pass over what the whole one finds
    return found


def copied(source: PostgresServer, url: str, target: PostgresServer, into: str = "") -> str:
    """A new database on `target`: a dump of this one and its restore, both with the programs of `target`. into: the
    name of an empty database that is there already."""
    dump, user = target.folder / "zoo.sql", "--username=postgres"
    target.run("pg_dump", f"--file={dump}", f"--host={source.folder}", user, database_name(url))
    # Debian's PostgreSQL 15 dumps an option of its own that no other server takes.
    dump.write_text(re.sub(r"^ALTER .* SET \(pg_attver=\d+\);\n|pg_attver=\d+, ", "", dump.read_text(), flags=re.M))
    copy = target.url(into) if into else target.create_database()
    client(target, copy, f"\\i {dump}")
    return copy
