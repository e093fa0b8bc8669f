"""Where this user's programs keep what they can make again: one folder a purpose, closed to everybody else.

What lies there may be gone, foreign or damaged at any time. A folder that others could have written to is not used. A
file that `write` stored counts only if it is whole, and this user's own. Nothing that is signed or judged may rest on
what is read here.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from contextlib import suppress
from pathlib import Path

MOST_BYTES = 64 << 20  # of one file
_OTHERS = 0o077
_HALF_WRITTEN_S = 3600
_DAY_S = 86_400
_DIGEST = 64  # hex characters, and a line end


def path(name: str) -> Path:
    """The folder for this purpose, which need not be there; follows ``XDG_CACHE_HOME``. One that nobody can make where
    no place is known."""
    import platformdirs

    with suppress(OSError, RuntimeError):
        return platformdirs.user_cache_path("migrate-flow") / name
    return Path(os.devnull) / name


def is_ours(folder: Path) -> bool:
    """Whether it is there, this user's own, and closed to all others."""
    try:
        found = folder.stat()
    except (OSError, ValueError):
        return False
    if os.name != "posix":  # its bits and owners are made up elsewhere
        return stat.S_ISDIR(found.st_mode)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & _OTHERS


def make(folder: Path) -> bool:
    """Whether it is there now, and ours. A home that can't be written to is no reason to fail."""
    with suppress(OSError, ValueError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return is_ours(folder)


def read(path: Path) -> bytes | None:
    """What `write` stored there; None if it is not there, not whole, or could be somebody else's."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        with open(os.open(path, flags), "rb", buffering=0) as file:  # noqa: PTH123 a descriptor
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or not _ours(found) or found.st_size > MOST_BYTES:
                return None
            content = file.readall()
    except OSError:
        return None
    digest, body = content[:_DIGEST], memoryview(content)[_DIGEST + 1 :]
    if hashlib.sha256(body).hexdigest().encode() != digest:
        return None
    if time.time() - found.st_mtime > _DAY_S:
        with suppress(OSError):  # so that it isn't thrown out as one that nobody uses
            os.utime(path)
    return bytes(body)


def write(path: Path, body: bytes, *, most: int) -> None:
    """Store it, in one step. most: files in the same folder, of which the ones that were not used longest go."""
    if len(body) > MOST_BYTES:
        return
    fresh = path.with_name(f"{path.name}.{os.getpid()}-{time.monotonic_ns()}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not _ours(path.parent.lstat()):
            return
        try:
            with open(os.open(fresh, flags, 0o600), "wb") as file:  # noqa: PTH123 a descriptor
                file.write(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
            fresh.replace(path)
        except OSError:  # a full disk, say
            fresh.unlink(missing_ok=True)
        _throw_out(path.parent, most)


def _ours(found: os.stat_result) -> bool:
    """Whether this user, or nobody else, can have written it."""
    if os.name != "posix":
        return True
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _throw_out(place: Path, most: int) -> None:
    """The oldest, and what was never finished."""
    ages = {path: path.lstat().st_mtime for path in place.iterdir()}
    whole = sorted((path for path in ages if path.suffix != ".part"), key=ages.__getitem__, reverse=True)
    parts = [path for path in ages if path.suffix == ".part" and time.time() - ages[path] > _HALF_WRITTEN_S]
    for path in (*whole[most:], *parts):
        path.unlink(missing_ok=True)
