"""Makes the ledger's schema through its own migrations, and tells what a version of it allows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from migrate_flow.errors import LedgerError

if TYPE_CHECKING:
    from sqlalchemy import Connection

VERSIONS = ("0001", "0002")  # all that this version of migrate-flow reads; it writes to the last
CURRENT = VERSIONS[-1]
VERSION_TABLE = "ledger_version"
NONE_YET = "migrate-flow init"  # the hint where there is no ledger


def require_readable(version: str | None, where: str) -> str:
    """The version, if it can be read. version: None where there is no ledger. Raises LedgerError."""
    if version is None:
        raise LedgerError("there is no ledger in this database", hint=NONE_YET, where=where)
    if version in VERSIONS:
        return version
    newer = version.isdecimal() and version > CURRENT
    raise LedgerError(
        f"the ledger has schema {version or '?'}, this version of migrate-flow reads {VERSIONS[0]} to {CURRENT}"
        + (": it was made by a newer migrate-flow" if newer else ""),
        hint="pip install --upgrade migrate-flow" if newer else "restore the ledger from a backup",
        where=where,
    )


def require_current(version: str, where: str) -> None:
    """Before anything is written. Raises LedgerError."""
    if version != CURRENT:
        raise LedgerError(
            f"the ledger has schema {version}: it can be read, and written to once it has schema {CURRENT}",
            hint="migrate-flow ledger upgrade",
            where=where,
        )


def bring_to_current(connection: Connection) -> None:
    """Run the migrations that are missing, in the connection's transaction. Raises SQLAlchemyError."""
    from alembic import command
    from alembic.config import Config

    config = Config(str(Path(__file__).with_name("alembic.ini")))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@contextmanager
def driver_errors() -> Iterator[None]:
    """SQLAlchemy's wrapping taken off."""
    from sqlalchemy.exc import DBAPIError

    try:
        yield
    except DBAPIError as error:
        raise error.orig or error from None
