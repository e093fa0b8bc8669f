"""add customers.email

Rationale:
    Receipts are sent by mail.

Revision ID: a54b80a7c3d4
Revises: 4092fc564c20
Create Date: 2026-11-23 13:56:52.253597

"""
from typing import Sequence, Union

from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision: str = 'a54b80a7c3d4'
down_revision: Union[str, Sequence[str], None] = '4092fc564c20'
branch_labels: Union[str, Sequence[str], None] = None
depends_on: Union[str, Sequence[str], None] = None


def upgrade() -> None:
    """Upgrade schema."""
    op.add_column("customers", sa.Column("email", sa.String(200)))
    op.create_index("ix_customers_email", "customers", ["email"])


def downgrade() -> None:
    """Downgrade schema."""
    op.drop_index("ix_customers_email", "customers")
    op.drop_column("customers", "email")
