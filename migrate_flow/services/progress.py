"""What happens in a run, for whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass, field

from migrate_flow.services.ports import Running


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
