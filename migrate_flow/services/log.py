"""The entries, oldest first, with plain filters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate_flow.services.content import resolve_one

if TYPE_CHECKING:
    from migrate_flow.core.entry import Entry
    from migrate_flow.services.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Filter:
    """Empty means any. last: the newest so many, 0 for all."""

    revision: str = ""
    environment: str = ""
    person: str = ""
    kind: str = ""
    last: int = 0


def log(workspace: Workspace, wanted: Filter) -> list[Entry]:
    """Raises ScriptError for an unknown revision, UsageError for an unknown environment."""
    revision = resolve_one(workspace, wanted.revision) if wanted.revision else ""
    if wanted.environment:
        workspace.rules(wanted.environment)
    history = workspace.history  # for it every row was checked, also the columns that are asked for here
    equal = {"revision": revision, "environment": wanted.environment, "actor": wanted.person}
    asked = {name: value for name, value in equal.items() if value}
    found = workspace.book.ledger.where(asked, wanted.kind, wanted.last)
    return workspace.book.as_read(entry for entry in found if entry.seq <= history.seq)
