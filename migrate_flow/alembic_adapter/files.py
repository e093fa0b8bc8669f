"""One file of the project, read as it is now."""

# ruff: noqa: PTH116

from __future__ import annotations

import os
import stat
from pathlib import Path

from migrate_flow.alembic_adapter.header import MAX_BYTES
from migrate_flow.errors import ScriptError


def read_sealed(path: str | Path, shown: str = "") -> bytes:
    """The bytes of a regular file of at most 1 MiB; links are followed. Never blocks on a FIFO or a device.

    shown: the path for messages. Raises ScriptError.
    """
    shown = shown or str(path)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise _odd(shown)
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        try:
            found = os.fstat(handle)  # it may have been exchanged in between
            if not stat.S_ISREG(found.st_mode):
                raise _odd(shown)
            content = _all(handle, found.st_size) if found.st_size <= MAX_BYTES else None
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name holds a NUL character"
        raise ScriptError(f"the file can't be read: {reason}", hint=f"ls -l {shown}", where=shown) from None
    if content is None or len(content) > MAX_BYTES:
        hint = "move the data that it carries into a file of its own"
        raise ScriptError("the file is over 1 MiB", hint=hint, where=shown)
    return content


def _all(handle: int, size: int) -> bytes:
    """Of an open file, and a byte more than allowed of a longer one. size: what it says of itself. With half the system
    calls of a file object: there are thousands of files."""
    content = os.read(handle, size + 1)
    if len(content) != size:  # it is being written, or comes in pieces
        while len(content) <= MAX_BYTES and (more := os.read(handle, MAX_BYTES)):
            content += more
    return content


def _odd(shown: str) -> ScriptError:
    return ScriptError("this is not a regular file", hint="move it out of the folder", where=shown)
