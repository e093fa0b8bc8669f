"""Where this user's programs keep what they can make again: one folder a purpose, closed to everybody else.

What lies there may be gone, foreign or damaged at any time. A folder that others could have written to is not used.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

_OTHERS = 0o077


def path(name: str) -> Path:
    """The folder for this purpose, which need not be there; follows ``XDG_CACHE_HOME``."""
    import platformdirs

    return platformdirs.user_cache_path("migrate-flow") / name


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
