"""The project on the disk: its configuration, its scripts, and Alembic. All that a rehearsal's child needs of it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from migrate_flow import cache_folder
from migrate_flow.alembic_adapter.checkout import Checkout
from migrate_flow.alembic_adapter.scriptcache import ScriptCache
from migrate_flow.alembic_adapter.settings import read_settings
from migrate_flow.config.load import Config, find, load

if TYPE_CHECKING:
    from migrate_flow.alembic_adapter.runner import AlembicRunner


def load_config(path: Path | None) -> Config:
    """Raises ConfigError."""
    return load(path if path is not None else find(Path.cwd()))


def checkout(config: Config, *, only_shows: bool = False) -> Checkout:
    """only_shows: for a command that neither signs nor judges, so what was read before will do where it did not change.
    Raises ConfigError where Alembic's configuration can't be read."""
    settings = read_settings(config.root / config.project.alembic, config.project.alembic_section)
    if settings.flask:
        settings = replace(settings, prepend_sys_path=(config.root,))  # as `flask` does
    cache = ScriptCache(cache_folder.path("scripts"), os.path.realpath(config.root)) if only_shows else None
    return Checkout(settings, config.root, imports=config.project.graph == "import", cache=cache)


def runner(config: Config, scripts: Checkout) -> AlembicRunner:
    from migrate_flow.alembic_adapter.runner import AlembicRunner

    return AlembicRunner(scripts, tuple(config.project.x), config.project.url_env, config.project.flask_app)
