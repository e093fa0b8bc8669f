"""Entries that say a time to come. Order and validity go by position, so the ledger is none the worse for them; but a
clock was wrong, the signer's or the one here, and what runs out does so by the latest time that anything says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

from migrate_flow.core.entry import Entry, format_time, parse_time
from migrate_flow.errors import LedgerError
from migrate_flow.services.book import TOLERANCE

if TYPE_CHECKING:
    from migrate_flow.services.ports import Ledger

_MOST_NAMED = 5


def ahead(ledger: Ledger, latest: datetime | None, now: datetime) -> Iterator[str]:
    """One sentence for each, at most a few. latest: what the newest of them says, as the fold knows it: where that is
    not ahead, nothing is read."""
    if latest is None or latest <= now + TOLERANCE:
        return
    found = (text for entry in _readable(ledger) if (text := _ahead(entry, now)))
    yield from islice(found, _MOST_NAMED)


def _readable(ledger: Ledger) -> Iterator[Entry]:
    with suppress(LedgerError):  # a broken chain is told as that
        yield from ledger.entries()


def _ahead(entry: Entry, now: datetime) -> str:
    try:
        at = parse_time(entry.predicate["at"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return ""
    if at <= now + TOLERANCE:
        return ""
    return f"entry {entry.seq} by {entry.actor} says {format_time(at)}, and it is {format_time(now)}"
