"""What a lock that others hold means to a person, in the same words on every kind of database."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from migrate_flow.errors import BusyError

if TYPE_CHECKING:
    from migrate_flow.core.facts import Activity

POLL_S = 0.05
TRIES = 5


def within(seconds: float, done: Callable[[], bool]) -> bool:
    """Polls until it is done. False if it is not in time."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(POLL_S)
    return True


def hold(database: str, tried: Callable[[], bool], holder: Callable[[], Activity | None], process: str) -> None:
    """Until the lock is ours. Raises BusyError with the holder's name.

    A holder that leaves between our try and our look could not be named: then it is tried again.
    """
    found = None
    for _ in range(TRIES):
        if tried():
            return
        found = holder()
        if found is not None:
            break
    raise held_by(database, found, process)


def held_by(database: str, holder: Activity | None, process: str) -> BusyError:
    """process: what the server calls one, such as ``server process``."""
    who = f"{holder.application} ({process} {holder.process}), since {holder.since}" if holder else "another process"
    return BusyError(f"{database} is locked by {who}", hint="wait for it, then run the command again", where=database)


def left_behind(database: str, orphan: Activity | None, process: str) -> BusyError:
    """A killed process's statement goes on in the server."""
    what = "a migration that ended this moment"
    if orphan is not None:
        doing = f"runs for {orphan.statement_s:.0f} s: {orphan.statement}" if orphan.statement else "is idle"
        waits = f"; it waits for {orphan.waits_for}" if orphan.waits_for else ""
        what = f"what {orphan.application} left behind: {process} {orphan.process} {doing}{waits}"
    return BusyError(
        f"{database} is still busy with {what}",
        hint="wait for it; or end it: migrate-flow recover --env ENV --terminate-orphan -m WHY",
        where=database,
    )
