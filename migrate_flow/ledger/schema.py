"""Makes the ledger's schema through its own migrations, and tells which version a ledger has."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from migrate_flow.errors import LedgerError

CURRENT = "0001"
VERSION_TABLE = "ledger_version"


def create(path: Path) -> None:
    """Bring an empty file to the current schema: all of it, or nothing. Raises sqlite3.Error."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import URL, create_engine, pool
    from sqlalchemy.exc import DBAPIError

    config = Config(str(Path(__file__).with_name("alembic.ini")))
    url = URL.create("sqlite", database=str(path))  # not by text: a folder's name may hold a question mark
    engine = create_engine(url, poolclass=pool.NullPool, connect_args={"isolation_level": None})
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # ours: the driver's own would not hold CREATE TABLE
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DBAPIError as error:
        raise error.orig or error from None


def check(connection: sqlite3.Connection, where: str) -> None:
    """Raises LedgerError if this is no ledger, or one of another version."""
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name = ?", (VERSION_TABLE,))
    if tables.fetchone() is None:
        raise LedgerError("there is no ledger in this database", hint="migrate-flow init", where=where)
    row = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()  # noqa: S608
    if row is None or row[0] != CURRENT:
        raise LedgerError(
            f"the ledger has schema {row[0] if row else '?'}, this version of migrate-flow works with {CURRENT}",
            hint="install the version of migrate-flow that made it, or a newer one",
            where=where,
        )
