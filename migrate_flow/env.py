"""For a project's env.py: ``from migrate_flow.env import require_flow``."""

from migrate_flow.alembic_adapter.require_flow import require_flow

__all__ = ["require_flow"]
