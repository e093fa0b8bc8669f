"""Files that the command line reads and writes: in one piece, and known to be writable before anything is done."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from migrate_flow.errors import UsageError

LARGEST = 1 << 20
_CONFIGURATION = "migrate-flow.toml"
# What a file begins with that no output may ever replace: a ledger or a target would be gone, and a key with it.
_KEPT = ((b"SQLite format 3\0", "it is a database"), (b"-----BEGIN ", "it is a key, or a certificate"))


def usable_output(path: Path | None) -> Path | None:
    """Before anything is done: a path that can't be written must not be found out afterwards, and what is no output
    is not replaced by one. Raises UsageError."""
    if path is None:
        return None
    folder, why = path.parent, ""
    if path.is_dir():
        why = "it is a folder"
    elif not folder.is_dir():
        why = f"there is no folder {folder}"
    elif not os.access(path if path.exists() else folder, os.W_OK):
        why = "permission denied"
    if why := why or _kept(path):
        raise UsageError(f"{path} can't be written: {why}", hint="choose another path", where="--output")
    return path


def another_than(file: Path, output: Path | None) -> None:
    """What is read is not replaced by what is said about it. Raises UsageError."""
    if output is not None and output.is_file() and file.is_file() and output.samefile(file):
        raise UsageError(
            f"{output} can't be written: it is the file that is read", hint="choose another path", where="--output"
        )


def _kept(path: Path) -> str:
    """Why the file that is there must stay; empty where it may be replaced."""
    if not path.is_file():
        return ""
    if path.resolve().name == _CONFIGURATION:
        return "it is the configuration"
    try:
        with path.open("rb") as file:
            start = file.read(max(len(mark) for mark, _why in _KEPT))
    except OSError:
        return ""  # it may be written and not read; then nobody here can tell what it is
    return next((why for mark, why in _KEPT if start.startswith(mark)), "")


def write_new(path: Path, text: str) -> None:
    """As write_atomically, but never over a file that is there. Raises UsageError."""
    if path.exists() or path.is_symlink():
        raise UsageError(
            f"{path} is there already", hint="choose another path, or move that file away", where=str(path)
        )
    write_atomically(path, text)


def read_small(path: Path) -> bytes:
    """A regular file of at most 1 MiB. Raises UsageError."""
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            reason = "no file" if not path.exists() else "not a file of at most 1 MiB"
            raise UsageError(f"{path} can't be read: {reason}", hint=f"ls -l {shlex.quote(str(path))}", where=str(path))
        return path.read_bytes()
    except OSError as error:
        hint = f"ls -l {shlex.quote(str(path))}"
        raise UsageError(f"{path} can't be read: {error.strerror}", hint=hint, where=str(path)) from error


def write_atomically(path: Path, text: str) -> None:
    """The whole file or none of it; a device or pipe is written to as it is. Raises UsageError."""
    import tempfile

    try:
        if path.exists() and not path.is_file():
            with path.open("w", encoding="utf-8") as device:
                device.write(text)
            return
        target = path.resolve() if path.is_symlink() else path
        with tempfile.NamedTemporaryFile("w", dir=target.parent, delete=False, encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
        Path(file.name).chmod(mode)
        Path(file.name).replace(target)
    except OSError as error:
        raise UsageError(
            f"{path} can't be written: {error.strerror}", hint="choose another path", where="--output"
        ) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
