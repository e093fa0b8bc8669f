"""A way to a server's Unix socket that breaks at a chosen moment or is a long one, for PostgreSQL and MariaDB alike.

Both send a plain ``COMMIT`` in clear text over a Unix socket.
"""

from __future__ import annotations

import re
import shutil
import socket
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import sleep  # the function itself: tests put another in its place
from types import TracebackType

PIECE = 65536


@dataclass(frozen=True, slots=True)
class _Trap:
    text: re.Pattern[bytes]
    forward: bool
    skip: int


class Proxy:
    """``with Proxy(server.folder / ".s.PGSQL.5432") as proxy``: everything passes until ``drop_on`` says otherwise.

    The socket in ``folder`` has the same name as the server's. delay_s: how long each way takes. ``turns``: how often
    a client spoke after the server did, or first: so many times it waits for both ways.
    """

    def __init__(self, server: Path, delay_s: float = 0.0) -> None:
        self.folder = Path()
        self.turns = 0
        self._delay_s = delay_s
        self.dropped = threading.Event()
        self._server = server
        self._listener = socket.socket(socket.AF_UNIX)
        self._closing = False
        self._trap: _Trap | None = None
        self._lock = threading.Lock()
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Proxy:
        self.folder = Path(tempfile.mkdtemp(prefix="mfpx-", dir="/tmp"))
        self._listener.bind(str(self.folder / self._server.name))
        self._listener.listen(32)
        self._run(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        with socket.socket(socket.AF_UNIX) as last:  # wakes the accepting thread
            last.connect(str(self.folder / self._server.name))
        self._threads[0].join(timeout=30)
        _cut(*self._ends)
        for thread in self._threads:
            thread.join(timeout=30)
        self._listener.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def through(self, url: str) -> str:
        """The server's URL, turned into one through this proxy."""
        assert str(self._server.parent) in url, f"not a URL of {self._server}"
        return url.replace(str(self._server.parent), str(self.folder))

    def drop_on(self, text: bytes, *, forward: bool, skip: int = 0) -> None:
        """Break the next connection on which a client sends ``text``, and only that one; ``dropped`` is set then.

        forward: False breaks it before the server gets the text. True lets the server do what it says, and breaks it
        when the server answers: the client never learns. skip: how many times the text passes before.
        A short text is looked for in what one send of the client brings, which is how a statement comes. It is
        found as words of its own: COMMIT is not a part of ``SET AUTOCOMMIT = 0``, which PyMySQL sends at the start.
        """
        with self._lock:
            self.dropped.clear()
            self._trap = _Trap(re.compile(rb"(?<!\w)" + re.escape(text) + rb"(?!\w)"), forward, skip)

    def _run(self, target: object, *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            if self._closing:
                client.close()
                return
            server = socket.socket(socket.AF_UNIX)
            self._ends += (client, server)
            self._run(self._serve, client, server)

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        with client, server, suppress(OSError):
            server.connect(str(self._server))
            answered = threading.Event()  # set: the next answer is not for the client
            spoken = threading.Event()  # set: the server spoke since the client did
            spoken.set()
            back = self._run(self._answers, server, client, answered, spoken)
            try:
                self._questions(client, server, answered, spoken)
            finally:
                _cut(client, server)
                back.join()

    def _questions(
        self, client: socket.socket, server: socket.socket, answered: threading.Event, spoken: threading.Event
    ) -> None:
        while data := client.recv(PIECE):
            if spoken.is_set():
                spoken.clear()
                with self._lock:
                    self.turns += 1
            sleep(self._delay_s)
            trap = self._caught(data)
            if trap is not None and not trap.forward:
                return
            if trap is not None:
                answered.set()
            server.sendall(data)

    def _caught(self, data: bytes) -> _Trap | None:
        with self._lock:
            trap = self._trap
            if trap is None or not trap.text.search(data):
                return None
            if trap.skip:
                self._trap = replace(trap, skip=trap.skip - 1)
                return None
            self._trap = None
            self.dropped.set()
            return trap

    def _answers(
        self, server: socket.socket, client: socket.socket, answered: threading.Event, spoken: threading.Event
    ) -> None:
        with suppress(OSError):
            while (data := server.recv(PIECE)) and not answered.is_set():
                sleep(self._delay_s)
                spoken.set()
                client.sendall(data)
        _cut(client, server)


def _cut(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
