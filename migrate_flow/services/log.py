"""The entries, oldest first, with plain filters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate_flow.services.content import resolve_one

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from migrate_flow.core.entry import Entry
    from migrate_flow.services.book import Book
    from migrate_flow.services.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Filter:
    """Empty means any. last: the newest so many, 0 for all."""

    revision: str = ""
    environment: str = ""
    person: str = ""
    kind: str = ""
    last: int = 0


class Found:
    """Entries, read from the ledger whenever somebody goes through them: there may be a million."""

    def __init__(self, book: Book, seqs: Sequence[int]) -> None:
        self._book, self._seqs = book, seqs

    def __len__(self) -> int:
        return len(self._seqs)

    def __iter__(self) -> Iterator[Entry]:
        """Raises LedgerError where one is not what the history was made from."""
        return self._book.as_read(self._book.ledger.each(self._seqs))


def log(workspace: Workspace, wanted: Filter) -> Found:
    """Raises ScriptError for an unknown revision, UsageError for an unknown environment."""
    revision = resolve_one(workspace, wanted.revision) if wanted.revision else ""
    if wanted.environment:
        workspace.rules(wanted.environment)
    history = workspace.history  # for it every row was checked, also the columns that are asked for here
    equal = {"revision": revision, "environment": wanted.environment, "actor": wanted.person}
    asked = {name: value for name, value in equal.items() if value}
    found = workspace.book.ledger.where(asked, wanted.kind, wanted.last)
    return Found(workspace.book, [seq for seq in found if seq <= history.seq])
