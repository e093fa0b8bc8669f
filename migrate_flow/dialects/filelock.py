"""A lock on a file that the operating system frees when its holder dies, however it dies."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from migrate_flow.core.facts import Activity
from migrate_flow.errors import BusyError

# The lock is on a byte far behind the holder's note, so that others can read the note while it is held.
_OFFSET = 1 << 30
MOUNTS = Path("/proc/mounts")
_NETWORK = frozenset(
    ("afs", "ceph", "cifs", "davfs", "fuse.sshfs", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs")
)


@contextmanager
def held(path: Path, application: str, what: str) -> Iterator[None]:
    """Hold an exclusive lock on path (made if it is not there). Raises BusyError naming the holder."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _try(descriptor):
            raise _busy(descriptor, what)
        note = {
            "application": application,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "since": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        }
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(note).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def activity(path: Path) -> tuple[Activity, ...]:
    """Who holds the lock, as far as its note and this machine's processes tell."""
    try:
        note = json.loads(path.read_bytes())
        alive = note["host"] != socket.gethostname() or _alive(int(note["pid"]))
        return (Activity(str(note["pid"]), note["application"], note["since"], "target"),) if alive else ()
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def network_filesystem(path: Path) -> str:
    """The kind of network filesystem that the path lies on; empty for a local one, or where that can't be told."""
    try:
        mounts = [line.split() for line in MOUNTS.read_text().splitlines()]
    except OSError:
        return ""
    found = [(point, kind) for _device, point, kind, *_ in mounts if path.resolve().is_relative_to(point)]
    kind = max(found, key=lambda item: len(item[0]), default=("", ""))[1]
    return kind if kind in _NETWORK else ""


def _busy(descriptor: int, what: str) -> BusyError:
    try:
        note = json.loads(os.pread(descriptor, 4096, 0))
        holder = f"{note['application']} on {note['host']}, process {note['pid']}, since {note['since']}"
    except (ValueError, KeyError, OSError):
        holder = "another process"
    return BusyError(f"{what} is locked by {holder}", hint="wait for it, then run the command again", where=what)


if sys.platform == "win32":
    import msvcrt

    def _try(descriptor: int) -> bool:
        os.lseek(descriptor, _OFFSET, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _try(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
