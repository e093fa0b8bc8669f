"""Bytes that leave the program as a stream: into a file in one piece, or to stdout."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from migrate_flow.cli.output import note
from migrate_flow.errors import UsageError

_AT_ONCE = 1 << 20  # bytes


@contextmanager
def stream_to(path: Path | None) -> Iterator[BinaryIO]:
    """None: stdout, where a reader who goes away is no error. A file is there whole or not at all; a device or a pipe
    is written to as it is. Raises UsageError where the file can't be written."""
    if path is None:
        with _stdout() as out:
            yield out
        return
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as device:
                yield device
            return
        target = path.resolve() if path.is_symlink() else path
        with tempfile.NamedTemporaryFile("wb", dir=target.parent, delete=False, buffering=_AT_ONCE) as file:
            try:
                yield cast(BinaryIO, file)
                file.flush()
                os.fsync(file.fileno())
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
        Path(file.name).chmod(mode)
        Path(file.name).replace(target)
    except OSError as error:
        raise UsageError(
            f"{path} can't be written: {error.strerror}", hint="choose another path", where="--output"
        ) from error


@contextmanager
def _stdout() -> Iterator[BinaryIO]:
    out = sys.stdout.buffer
    try:
        yield out
        out.flush()
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            raise UsageError(
                f"the output can't be written: {error.strerror}", hint="--output FILE", where="stdout"
            ) from error
        # Without this, the interpreter's last flush would change the exit code.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        note("nobody reads the output any more: it is not whole")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
