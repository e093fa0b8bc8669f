"""The database of an environment for commands that only read: of SQLite without SQLAlchemy, which takes longer to load
than the rest of a plan."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from migrate_flow.config.load import Config
    from migrate_flow.core.facts import Identity, Observation, Remains
    from migrate_flow.core.snapshot import Snapshot
    from migrate_flow.dialects.sqlite_look import Plain
    from migrate_flow.services.ports import Target

T = TypeVar("T")

# As SQLAlchemy reads it; whatever could mean more is left to it.
_PLAIN_URL = re.compile(r"sqlite:///([^?@%:#]+)")


def glimpse(config: Config, environment: str, whole: Callable[[], Target]) -> Target:
    """What whole() makes, or what looks the same to somebody who only asks how things stand."""
    path = _path(config, environment)
    return cast("Target", _Glimpse(environment, path, whole)) if path else whole()


def _path(config: Config, environment: str) -> Path | None:
    written = config.environments[environment]
    kind, _, variable = written.url.partition(":")
    url = os.environ.get(variable, "") if kind == "env" else written.url
    found = _PLAIN_URL.fullmatch(url.strip())
    return config.root / found[1] if found and written.dialect == "sqlite" else None


class _Glimpse:
    """What it can't answer, `whole` does: other questions, and the words for whatever goes wrong."""

    dialect = "sqlite"

    def __init__(self, environment: str, path: Path, whole: Callable[[], Target]) -> None:
        self.environment, self._path, self._make = environment, path, whole

    @cached_property
    def _whole(self) -> Target:
        return self._make()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)

    def observe(self) -> Observation:
        found = self._look(_remains)
        return found.observation if found else self._whole.observe()

    def with_receipts(self) -> Remains:
        return self._look(_remains) or self._whole.with_receipts()

    def snapshot(self) -> Snapshot | None:
        return self._look(_snapshot) or self._whole.snapshot()

    def unchanged(self, rows: str) -> bool:
        """There is no digest of rows on SQLite."""
        return False

    def row_estimates(self, relations: object) -> dict[str, int]:
        return {}

    def _look(self, ask: Callable[[Plain, Identity | None], T]) -> T | None:
        from migrate_flow.dialects import sqlite_look

        with suppress(sqlite3.Error, OSError):
            if sqlite_look.there(self._path):
                with sqlite_look.opened(self._path) as plain:
                    whose = sqlite_look.identity(plain)
                    if whose is None or not whose.version_schema:
                        return ask(plain, whose)
        return None


def _remains(plain: Plain, whose: Identity | None) -> Remains:
    from migrate_flow.dialects import sqlite_look

    return sqlite_look.remains(plain, whose)


def _snapshot(plain: Plain, whose: Identity | None) -> Snapshot:
    from migrate_flow.dialects import snapshot_sqlite

    return snapshot_sqlite.take(plain, leave_out=frozenset({whose.version_table if whose else "alembic_version"}))
