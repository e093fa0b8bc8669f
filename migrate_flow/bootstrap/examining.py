"""What `doctor` looks at beside the ledger: the project's env.py, drivers, files and keys of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator

from migrate_flow.alembic_adapter.env_py import read_env_py
from migrate_flow.bootstrap.project import checkout
from migrate_flow.config.load import Config
from migrate_flow.services.doctor import Check


def machine(config: Config) -> Iterator[Check]:
    """Never raises for what is wrong: it is said."""
    yield from _env_py(config)


def _env_py(config: Config) -> Iterator[Check]:
    settings, project = checkout(config).settings, config.project
    path = settings.script_location / "env.py"
    where = os.path.relpath(path, config.root)
    found = read_env_py(path, url_env=project.url_env or "", flask_app=project.flask_app or "").surprises
    for one in found:
        state = "problem" if one.stops else "warning"
        yield Check("env.py", state, f"{where}:{one.line}: {one.problem}", one.hint)
    if not found:
        yield Check("env.py", "ok", f"{where} takes the URL that it is given, as far as its text tells")
