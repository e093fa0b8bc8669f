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
    found = [
        entry
        for entry in workspace.book.ledger.entries()
        if (not revision or entry.revision == revision)
        and (not wanted.environment or entry.environment == wanted.environment)
        and (not wanted.person or entry.actor == wanted.person)
        and (not wanted.kind or entry.kind.startswith(wanted.kind))
    ]
    return found[-wanted.last :] if wanted.last else found
