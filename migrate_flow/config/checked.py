"""Which bytes were found to be a good migrate-flow.toml before: to check them takes longer than a short command.

Kept are digests alone, as names of empty files in the user's cache folder: nothing of a file's content, so no secret,
and nothing that could change what it says.
"""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

from migrate_flow import __version__, cache_folder

MOST = 200


def known(data: bytes) -> bool:
    """Whether these very bytes were remembered by this very version."""
    folder = cache_folder.path("config")
    return (folder / _name(data)).is_file() and cache_folder.is_ours(folder)


def remember(data: bytes) -> None:
    """For bytes in which nothing is wrong. Never raises: where nothing can be kept, they are checked again."""
    folder = cache_folder.path("config")
    if not cache_folder.make(folder):
        return
    with suppress(OSError):
        (folder / _name(data)).touch(mode=0o600)
        newest_first = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in newest_first[MOST:]:
            path.unlink()


def _name(data: bytes) -> str:
    return hashlib.sha256(f"{_rules()}\0".encode() + data).hexdigest()


@cache
def _rules() -> str:
    """What would be asked of a file now. Between two releases the sources change, and the version does not."""
    here = sorted(os.scandir(Path(__file__).parent), key=lambda entry: entry.name)
    sources = [(entry.name, entry.stat().st_mtime_ns) for entry in here if entry.name.endswith(".py")]
    return repr((__version__, sys.version_info[:3], sources))
