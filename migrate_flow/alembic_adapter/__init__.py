"""The only room that knows Alembic: its configuration, its scripts (read without running them), its runner."""
