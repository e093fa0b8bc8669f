"""Draws the progress of a long act on stderr, and never lets the drawing disturb the act."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from migrate_flow.cli.output import note

if TYPE_CHECKING:
    from migrate_flow.services.run import Progress, Report


def drain(events: Generator[Progress, None, Report]) -> Report:
    """Runs the act to its end and returns its report."""
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            report: Report = end.value
            return report
        _draw(event)


def _draw(event: Progress) -> None:
    if event.what == "recovered":
        note(f"settled an interrupted attempt on {event.revision}: {event.outcome}")
    elif event.what == "started":
        note(f"[{event.number}/{event.of}] {event.revision}  {event.message} …")
    else:
        note(f"[{event.number}/{event.of}] {event.revision}  {event.outcome} in {event.duration_s:.2f} s")
