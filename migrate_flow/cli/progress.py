"""Draws the progress of a long act on stderr, and never lets the drawing disturb the act."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from migrate_flow.cli.output import note, width
from migrate_flow.core.redaction import redact
from migrate_flow.core.text import safe, shortened
from migrate_flow.services.progress import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from migrate_flow.services.ports import Running
    from migrate_flow.services.progress import Progress

R = TypeVar("R")
PLAIN_EVERY_S = 15.0
QUIET_S = 1.0  # so long nobody wonders
REDRAWN_A_SECOND = 4
_LONGEST = 48


def drain(events: Generator[Progress, None, R]) -> R:
    """Runs the act to its end and returns its report. What interrupts the drawing is thrown into the act."""
    with ExitStack() as drawing:

        def tell(event: Progress) -> None:
            drawing.close()
            _draw(event)
            if event.what == "started":
                drawing.enter_context(_alive(event))

        report = run(events, tell)
        _passing("")
        return report


@contextmanager
def busy(what: str) -> Iterator[None]:
    """For an act that tells nothing of itself: on a terminal, one line that says how long it takes already, gone in the
    end."""
    since = time.monotonic()

    def tell() -> None:
        from migrate_flow.signing.ssh_keygen import ASKING

        if not ASKING.is_set():
            _passing(f"{time.monotonic() - since:.0f} s  {what}")

    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield
        return
    try:
        with _every(QUIET_S, tell):
            yield
    finally:
        _passing("")


@contextmanager
def _every(seconds: float, tell: Callable[[], None]) -> Iterator[None]:
    """Meanwhile, from a thread that ends with it."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(seconds):
            tell()

    teller = threading.Thread(target=repeat, name="progress", daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()


def _draw(event: Progress) -> None:
    place = f"[{event.number}/{event.of}] {event.revision}"
    ended = f"{place}  {event.outcome} in {event.duration_s:.2f} s"
    match event.what:
        case "recovered":
            note(f"settled an interrupted attempt on {event.revision}: {event.outcome}")
        case "started":
            note(f"{place}  {shortened(event.message, _LONGEST)} …")
        case "passing":
            _passing(f"{event.revision}  {event.message}")
        case "passed" if sys.stderr.isatty():
            _passing(ended)
        case "retried":
            note(f"{place}  {event.message}")
        case _:
            _passing("")
            note(ended)


def _passing(text: str) -> None:
    """What is over at once: on a terminal one line that gives way to the next; said nowhere else."""
    if sys.stderr.isatty():
        with suppress(OSError):
            sys.stderr.write(f"\r\x1b[2K{safe(redact(text))[: max(20, width(sys.stderr) - 1)]}\r")
            sys.stderr.flush()


def _alive(event: Progress) -> AbstractContextManager[None]:
    """What the step does now: one line that changes on a terminal, else a line every now and then."""
    return _redrawn(event.running) if sys.stderr.isatty() else _repeated(event.running, event.revision)


@contextmanager
def _redrawn(running: Running) -> Iterator[None]:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    def line() -> Text:
        return Text(_doing(running), style="dim", no_wrap=True, overflow="ellipsis")

    console = Console(stderr=True, markup=False, emoji=False, highlight=False, width=width(sys.stderr) or None)
    live = Live(
        get_renderable=line,
        console=console,
        refresh_per_second=REDRAWN_A_SECOND,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    with suppress(OSError):
        live.start()
    try:
        yield
    finally:
        with suppress(OSError):
            live.stop()


def _repeated(running: Running, revision: str) -> AbstractContextManager[None]:
    return _every(PLAIN_EVERY_S, lambda: note(f"{revision}  {_doing(running)}"))


def _doing(running: Running) -> str:
    elapsed = time.monotonic() - running.since
    what = running.statement or "env.py"
    waits = f"; waits for {running.waits_for}" if running.waits_for else ""
    return safe(redact(f"{elapsed:.0f} s{waits}  {what}"))
