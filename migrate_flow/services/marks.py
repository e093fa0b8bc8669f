"""How somebody who read a whole ledger finds out later, for less, whether those rows are still the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from migrate_flow.services.ports import Ledger

if TYPE_CHECKING:
    from migrate_flow.core.chain import Head
    from migrate_flow.core.entry import Entry


@dataclass(frozen=True, slots=True)
class Mark:
    """rows: sha256 (hex) of every column of every row up to the head. state: what the storage says of itself, which
    can't stay the same where a byte of it changed; empty where nothing like that is known."""

    head: Head
    rows: str
    state: str = ""


class Rewritten(Exception):
    """The rows up to a mark are not those that were marked."""


class MarkedLedger(Ledger, Protocol):
    def entries_since(self, mark: Mark | None, done: Callable[[Mark], None]) -> Iterator[Entry]:
        """The entries behind a mark (None: all), as `entries` gives them; at their end done gets the mark of them all.

        Raises Rewritten before the first where what is marked is not there any more; where nothing tells for less,
        every row is read again to find out. Raises LedgerError as `entries` does.
        """
        ...
