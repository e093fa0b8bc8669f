"""Promotion workflow for Alembic migrations: from a written script to production, on the record."""

__version__ = "0.1.0"
