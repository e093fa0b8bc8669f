"""What happens in a run, for whoever shows it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TypeVar

from migrate_flow.services.ports import Running

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Progress:
    """One thing that happened. what: ``recovered``, ``started``, ``retried`` or ``ended``; ``passing`` and ``passed``,
    of many that are over at once: what is done now, and what went well.

    running: of a step that started, alive until it ended. message: the revision's, or why it is tried again.
    """

    what: str
    revision: str
    message: str
    number: int = 0
    of: int = 0
    outcome: str = ""
    duration_s: float = 0.0
    running: Running = field(default_factory=Running, compare=False)


def run(events: Generator[Progress, None, R], tell: Callable[[Progress], None]) -> R:
    """Runs an act to its end and returns its report. What interrupts the telling is thrown into the act, which records
    it."""
    try:
        event = next(events)
        while True:
            try:
                tell(event)
            except BaseException as error:
                event = events.throw(error)
            else:
                event = next(events)
    except StopIteration as end:
        report: R = end.value
        return report
