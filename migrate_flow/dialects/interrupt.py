"""Ends a statement of a library that does not come back to Python, where a signal would be raised, until it is done."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ENDING = {signal.SIGINT, signal.SIGTERM}
AGAIN_S = 0.1


@contextmanager
def at_signals(act: Callable[[], None]) -> Iterator[None]:
    """When SIGINT or SIGTERM comes, act in a thread; again and again, as a statement may begin just after the first."""
    if threading.current_thread() is not threading.main_thread():
        yield  # an embedding program handles its own signals
        return
    heard, told = socket.socketpair()
    told.setblocking(False)
    ended = threading.Event()

    def listen() -> None:
        while came := heard.recv(64):
            while ENDING & set(came) and not ended.wait(AGAIN_S):
                act()

    listener = threading.Thread(target=listen, name="interrupt", daemon=True)
    listener.start()
    before = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        ended.set()
        told.close()
        listener.join()
        heard.close()
