"""Alembic environment of the ledger's own database."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, pool

from migrate_flow.ledger.tables import METADATA

VERSION_TABLE = "ledger_version"

config = context.config


def run(connection: object) -> None:
    context.configure(
        connection=connection,  # type: ignore[arg-type]
        target_metadata=METADATA,
        version_table=VERSION_TABLE,
        render_as_batch=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    raise SystemExit("the ledger's migrations run online only")

if (given := config.attributes.get("connection")) is not None:  # schema.create's, in one transaction
    run(given)
else:
    with create_engine(config.get_main_option("sqlalchemy.url") or "", poolclass=pool.NullPool).connect() as own:
        run(own)
