"""Starts Python commands from a process that holds the libraries already: a fork of it is the command's process.

A command of ours spends most of its second on importing SQLAlchemy, Alembic and their like. Here one process has
imported them, and our modules; for each command it forks, and the fork takes the command's folder, environment and
streams and runs the module as ``python -m`` does. Exits, signals and kill -9 are the real thing. What it can't show
is a module that forgets an import, and how the interpreter clears its modules after the last line: test_demo.py runs
its commands in fresh interpreters.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import pkgutil
import random
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

import migrate_flow

LIBRARIES = (
    "alembic.autogenerate", "alembic.command", "alembic.config", "alembic.runtime.environment", "alembic.script",
    "sqlalchemy.dialects.postgresql", "sqlalchemy.dialects.sqlite", "sqlalchemy.ext.asyncio", "sqlalchemy.orm",
    "aiosqlite", "psycopg", "sqlmodel", "pydantic", "typer", "typer.core", "typer.testing", "rich.console",
    "rich.table", "tomlkit", "platformdirs", "cryptography.hazmat.primitives.asymmetric.ed25519",
    "cryptography.hazmat.primitives.serialization", "importlib.metadata", "zoneinfo", "mako.template", "uuid",
    "typer._adapters", "unicodedata",
)  # fmt: skip
HEADER = 4
VARIABLE = "TESTS_UNCHECKED"  # see tests/support/unchecked.py


class Server:
    """``with Server(environ) as server``: environ is what the libraries are imported under. python: the interpreter."""

    def __init__(self, environ: Mapping[str, str], python: str | Path = sys.executable) -> None:
        self._ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [python, __file__, str(theirs.fileno())], pass_fds=[theirs.fileno()], env=dict(environ)
            )

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._ours.close()  # the server reads to the end, and leaves
        self._process.wait(timeout=30)

    def run(
        self,
        words: Sequence[str],
        folder: Path,
        environ: Mapping[str, str],
        streams: tuple[IO[Any], IO[Any], IO[Any]],
        timeout: float,
    ) -> int:
        """As ``python -m WORDS``; the exit code as subprocess gives it. Raises TimeoutError, then it is killed."""
        request = json.dumps({"words": words, "folder": str(folder), "environ": dict(environ)}).encode()
        files = [stream.fileno() for stream in streams]
        socket.send_fds(self._ours, [len(request).to_bytes(HEADER, "big")], files)
        self._ours.sendall(request)
        pid = int(self._receive())
        self._ours.settimeout(timeout)
        try:
            return int(self._receive())
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            self._ours.settimeout(None)
            self._receive()
            raise
        finally:
            self._ours.settimeout(None)

    def _receive(self) -> str:
        answer = _exactly(self._ours, HEADER)
        return _exactly(self._ours, int.from_bytes(answer, "big")).decode()


def _exactly(connection: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        part = connection.recv(count - len(received))
        if not part:
            raise ConnectionError("the warm process has ended")
        received += part
    return received


def _serve(connection: socket.socket) -> dict[str, Any] | None:
    """Returns the request in each fork, None in the server at its end."""
    _import_all()
    # The tree of commands is made of what was imported, and takes as long as many a command.
    main: Any = importlib.import_module("typer.main")
    main.get_command = functools.cache(main.get_command)
    main.get_command(importlib.import_module("migrate_flow.cli.app").app).load_all()
    gc.collect()
    gc.freeze()
    while True:
        header, files, _flags, _address = socket.recv_fds(connection, HEADER, 3)
        if not header:
            return None
        request: dict[str, Any] = json.loads(_exactly(connection, int.from_bytes(header, "big")))
        pid = os.fork()
        if pid == 0:
            connection.close()
            for number, file in enumerate(files):
                os.dup2(file, number)
                os.close(file)
            return request
        for file in files:
            os.close(file)
        _answer(connection, pid)
        _, status = os.waitpid(pid, 0)
        _answer(connection, os.waitstatus_to_exitcode(status))


def _import_all() -> None:
    for name in (*LIBRARIES, *_ours()):
        importlib.import_module(name)
    _unchecked()


def _ours() -> Iterator[str]:
    """Every module of ours that only defines things."""
    for info in pkgutil.walk_packages(migrate_flow.__path__, "migrate_flow."):
        if not info.name.startswith(("migrate_flow.__main__", "migrate_flow.ledger.migrations")):
            yield info.name


def _answer(connection: socket.socket, number: int) -> None:
    text = str(number).encode()
    with contextlib.suppress(BrokenPipeError):
        connection.sendall(len(text).to_bytes(HEADER, "big") + text)


def _become(request: dict[str, Any]) -> None:
    """What the interpreter does for ``python -m``; returns, or raises, where the interpreter itself must end it."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environ"])
    time.tzset()
    random.seed()
    sys.pycache_prefix = os.environ.get("PYTHONPYCACHEPREFIX")
    sys.path[0] = request["folder"]
    sys.argv[:] = request["words"]
    if VARIABLE in os.environ and request["words"][0] == "migrate_flow":
        _unchecked().put_in_place()
    try:
        runpy.run_module(request["words"][0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is not None and not isinstance(end.code, int):
            raise
        _leave(end.code or 0)
    _leave(0)


def _unchecked() -> Any:
    """The module, in this checkout, wherever the command runs."""
    sys.path.insert(0, str(Path(__file__).parents[2]))
    try:
        return importlib.import_module("tests.support.unchecked")
    finally:
        del sys.path[0]


def _leave(code: int) -> NoReturn:
    """As the interpreter ends: threads, exit functions, output. But clearing the modules is left out: it would copy
    every page that is shared with the warm process, which takes longer than most commands."""
    threading._shutdown()
    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:
                stream.flush()
    except OSError:
        sys.exit(code)  # the interpreter has an exit code of its own for this
    os._exit(code & 0xFF)


if __name__ == "__main__":
    if len(sys.argv) == 1:  # byte code is all that is wanted
        _import_all()
    else:
        taken = _serve(socket.socket(fileno=int(sys.argv[1])))
        if taken is not None:
            _become(taken)
