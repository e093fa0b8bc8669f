"""Agents for tests: the real ssh-agent, and one of ours that holds a security key in software."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from migrate_flow.signing.public_key import pack, unpack

SignBlob = Callable[[bytes], bytes]


@contextmanager
def real_agent() -> Iterator[str]:
    """A process of ssh-agent; the path of its socket, which has to be short."""
    with TemporaryDirectory(prefix="agent-") as folder:
        path = f"{folder}/socket"
        with subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL) as process:
            try:
                _wait_for(path)
                yield path
            finally:
                process.terminate()


@contextmanager
def agent_with(blob: bytes, sign: SignBlob) -> Iterator[str]:
    """An agent that holds one key. sign: what is to be signed, to the signature with its type."""
    with TemporaryDirectory(prefix="agent-") as folder, closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(f"{folder}/socket")
        listener.listen()
        thread = threading.Thread(target=_serve, args=(listener, blob, sign))
        thread.start()
        try:
            yield f"{folder}/socket"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(listener: socket.socket, blob: bytes, sign: SignBlob) -> None:
    with suppress(OSError):  # the listener was shut down
        while True:
            with listener.accept()[0] as connection, connection.makefile("rwb") as stream:
                while size := stream.read(4):
                    stream.write(pack(_answer(stream.read(int.from_bytes(size, "big")), blob, sign)))
                    stream.flush()


def _answer(request: bytes, blob: bytes, sign: SignBlob) -> bytes:
    match request[0]:
        case 11:
            return b"\x0c\0\0\0\1" + pack(blob, b"a key in software")
        case 13:
            asked_for, data = unpack(request[1:-4])
            assert asked_for == blob
            return b"\x0e" + pack(sign(data))
        case _:
            return b"\x05"


def _wait_for(path: str) -> None:
    deadline = time.monotonic() + 20
    while not Path(path).is_socket():
        assert time.monotonic() < deadline, "ssh-agent did not start"
        time.sleep(0.01)
