"""Promotion workflow for Alembic migrations: from a written script to production, on the record.

For programs: ``migrate_flow.open(path)``; the exceptions are in `migrate_flow.errors`. Importing this loads nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

    from migrate_flow.api import Project

__version__ = "0.1.0"
__all__ = ["__version__", "open"]


def open(path: str | os.PathLike[str] | None = None, *, actor: str = "") -> Project:
    """A project under the flow: see `migrate_flow.api.Project`.

    path: a migrate-flow.toml, or a folder in which or above which one stands; None for the current folder. actor: whose
    key signs; else the only one that is here and known. Raises ConfigError where there is none, or it can't be used.
    """
    from migrate_flow.api import open_project

    return open_project(path, actor=actor)
