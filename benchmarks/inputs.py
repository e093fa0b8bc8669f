"""The same small changes, in the words of each tool. Nothing here is random: two runs write the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SCRIPT = '''"""{message}

Revision ID: {revision}
Revises: {parent}

Rationale:
    Each change stands on its own: a table and an index.
"""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = {parent!r}
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "{table}",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("created_at", sa.DateTime),
    )
    op.create_index("ix_{table}_name", "{table}", ["name"])


def downgrade() -> None:
    op.drop_index("ix_{table}_name", "{table}")
    op.drop_table("{table}")
'''

# What `alembic init` writes, without the comments and the loggers, plus one transaction for each migration.
ENV = """from alembic import context
from sqlalchemy import engine_from_config, pool

config = context.config
section = config.get_section(config.config_ini_section, {})
connectable = engine_from_config(section, prefix="sqlalchemy.", poolclass=pool.NullPool)
with connectable.connect() as connection:
    context.configure(connection=connection, target_metadata=None, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""
INI = """[alembic]
script_location = %(here)s/migrations
path_separator = os
sqlalchemy.url = {url}
"""
MAKO = '"""${message}"""\nrevision = ${repr(up_revision)}\ndown_revision = ${repr(down_revision)}\n'


@dataclass(frozen=True, slots=True)
class Change:
    """number: from 1; revision and parent: ids as Alembic makes them."""

    number: int
    revision: str
    parent: str | None

    @property
    def table(self) -> str:
        return f"t_{self.number:05}"

    @property
    def message(self) -> str:
        return f"create {self.table}"

    @property
    def up(self) -> tuple[str, str]:
        """The statements, as Alembic renders them on SQLite and on PostgreSQL alike."""
        columns = "id INTEGER NOT NULL, name VARCHAR(100) NOT NULL, created_at TIMESTAMP, PRIMARY KEY (id)"
        return f"CREATE TABLE {self.table} ({columns})", f"CREATE INDEX ix_{self.table}_name ON {self.table} (name)"

    @property
    def down(self) -> tuple[str, str]:
        return f"DROP INDEX ix_{self.table}_name", f"DROP TABLE {self.table}"


def history(count: int) -> Sequence[Change]:
    """Linear, oldest first."""
    made: list[Change] = []
    for number in range(1, count + 1):
        revision = hashlib.sha256(f"change {number}".encode()).hexdigest()[:12]
        made.append(Change(number, revision, made[-1].revision if made else None))
    return made


def alembic_project(folder: Path, changes: Sequence[Change], url: str) -> None:
    """alembic.ini, env.py and the scripts. A `%` in the URL is doubled, as the file's format wants."""
    versions = folder / "migrations" / "versions"
    versions.mkdir(parents=True)
    (folder / "alembic.ini").write_text(INI.format(url=url.replace("%", "%%")))
    (folder / "migrations" / "env.py").write_text(ENV)
    (folder / "migrations" / "script.py.mako").write_text(MAKO)
    for change in changes:
        text = SCRIPT.format(message=change.message, revision=change.revision, parent=change.parent, table=change.table)
        (versions / f"{change.revision}_create_{change.table}.py").write_text(text)


def sql(statements: tuple[str, ...]) -> str:
    return "".join(f"{statement};\n" for statement in statements)
