"""While a step runs, asks the server now and then who keeps it waiting."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from migrate_flow.errors import MigrateFlowError

if TYPE_CHECKING:
    from migrate_flow.services.ports import MigrationSession, Running, Supervisor

EVERY_S = 1.0


@contextmanager
def lookout(session: MigrationSession, supervisor: Supervisor, running: Running) -> Iterator[None]:
    """Writes running.waits_for. What it can't find out it leaves out."""
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(EVERY_S):
            try:
                running.waits_for = supervisor.waits_for(session.begun)
            except MigrateFlowError:
                return

    watcher = threading.Thread(target=look, name="lookout", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
