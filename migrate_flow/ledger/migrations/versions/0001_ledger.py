"""open the ledger: entries and artifacts, append-only

Rationale:
    The ledger's first schema. `entry` holds the signed statements in their chain, `artifact` the bytes that they
    speak of. Triggers refuse every change of what is written, from any client: an insert must continue the chain
    and may not replace a row, updates and deletes are refused.

Rollback:
    Dropping both tables destroys the ledger. That is refused while entry holds rows.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ORIGIN = "0" * 64
# INSERT OR REPLACE deletes whatever row it conflicts with, and a client with recursive_triggers off fires no delete
# trigger for it. So no insert may conflict at all: on any unique column of entry, whose rowid is seq, or of artifact,
# which has no rowid.
SQLITE_TRIGGERS = (
    """CREATE TRIGGER entry_append BEFORE INSERT ON entry
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM entry)
  OR NEW.prev IS NOT coalesce((SELECT hash FROM entry ORDER BY seq DESC LIMIT 1), '{origin}')
  OR EXISTS (SELECT 1 FROM entry WHERE hash = NEW.hash)
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: an entry must continue the chain'); END""",
    """CREATE TRIGGER entry_no_update BEFORE UPDATE ON entry
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: entries are never changed'); END""",
    """CREATE TRIGGER entry_no_delete BEFORE DELETE ON entry
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: entries are never deleted'); END""",
    """CREATE TRIGGER artifact_no_replace BEFORE INSERT ON artifact
WHEN EXISTS (SELECT 1 FROM artifact WHERE sha256 = NEW.sha256)
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: this artifact is stored already'); END""",
    """CREATE TRIGGER artifact_no_update BEFORE UPDATE ON artifact
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: artifacts are never changed'); END""",
    """CREATE TRIGGER artifact_no_delete BEFORE DELETE ON artifact
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: artifacts are never deleted'); END""",
)


def upgrade() -> None:
    op.create_table(
        "entry",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
        sa.Column("prev", sa.String(64), nullable=False, unique=True),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
        sa.Column("statement", sa.LargeBinary, nullable=False),
        sa.Column("signature", sa.Text, nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("revision", sa.String(64)),
        sa.Column("environment", sa.String(64)),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
    )
    op.create_index("ix_entry_revision", "entry", ["revision"])
    op.create_table(
        "artifact",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    if op.get_context().dialect.name == "sqlite":  # what guards a ledger on PostgreSQL comes with 0002
        for trigger in SQLITE_TRIGGERS:
            op.execute(trigger.replace("{origin}", ORIGIN))


def downgrade() -> None:
    if op.get_bind().execute(sa.text("SELECT count(*) FROM entry")).scalar_one():
        raise RuntimeError("the ledger holds entries: it is never dropped")
    op.drop_table("artifact")
    op.drop_table("entry")
