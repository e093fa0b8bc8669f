"""Makes the ledger's schema, and tells which version a ledger has."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, inspect, text

from migrate_flow.errors import LedgerError

CURRENT = "0001"
VERSION_TABLE = "ledger_version"


def create(engine: Engine) -> None:
    """Bring an empty database to the current schema, through the ledger's own migrations: all of it, or nothing."""
    from alembic import command
    from alembic.config import Config

    config = Config(str(Path(__file__).with_name("alembic.ini")))
    with engine.begin() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # the driver begins nothing by itself: see store.prepare
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def check(engine: Engine, where: str) -> None:
    """Raises LedgerError if this is no ledger, or one of another version."""
    with engine.connect() as connection:
        if not inspect(connection).has_table(VERSION_TABLE):
            raise LedgerError("there is no ledger in this database", hint="migrate-flow init", where=where)
        version = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608
    if version != CURRENT:
        raise LedgerError(
            f"the ledger has schema {version}, this version of migrate-flow works with {CURRENT}",
            hint="install the version of migrate-flow that made it, or a newer one",
            where=where,
        )
