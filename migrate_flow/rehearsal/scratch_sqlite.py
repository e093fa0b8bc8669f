"""Scratch databases of SQLite: files in a temporary folder, templates in the user's cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, event

from migrate_flow import cache_folder
from migrate_flow.errors import TargetError

MOST_TEMPLATES = 40
MOST_BYTES = 1 << 30
HALF_WRITTEN_S = 3600
_BESIDE = ("-journal", "-wal", "-shm")


class SqliteScratch:
    """Implements `Scratch`. folder: is there, and whoever made it removes it. cache: where templates are kept, default
    the user's cache folder."""

    copies = True
    exclusive = False

    def __init__(self, folder: Path, cache: Path | None = None) -> None:
        self._cache = cache if cache is not None else cache_folder.path("templates")
        self._file, self._kept = folder / "scratch.db", folder / "kept.db"

    @property
    def url(self) -> URL:
        return URL.create("sqlite", database=str(self._file))

    def never_sync(self) -> None:
        """From now on no connection that this process makes to it waits for the disk: it need not outlive a crash."""

        def begun(connection: Any, _record: object) -> None:
            if not isinstance(connection, sqlite3.Connection):  # of another database, or an asynchronous driver
                return
            with suppress(sqlite3.Error, OSError):  # without this it is slower, and no more
                (_number, _name, file), *_others = connection.execute("PRAGMA database_list")
                if file and self._file.samefile(file):
                    connection.execute("PRAGMA synchronous = OFF")

        event.listen(Engine, "connect", begun)

    def empty(self) -> None:
        self._clear()

    def keep(self) -> None:
        self._copy(self._file, self._kept)

    def back(self) -> None:
        self._clear()
        self._copy(self._kept, self._file)

    def store(self, key: str) -> None:
        """The name holds the digest of the content: what was changed on the disk is no template any more."""
        with suppress(OSError):
            self._cache.mkdir(parents=True, exist_ok=True, mode=0o700)
            known = self._cached().get(key)
            if known is not None and _whole(known, known.read_bytes()):
                os.utime(known)
            elif self._file.stat().st_size <= MOST_BYTES:
                self._add(key, self._file.read_bytes())
                if known is not None:
                    known.unlink()
            self._throw_out()

    def _add(self, key: str, content: bytes) -> None:
        """Under another name until it is whole: a run that is killed must not leave half a template."""
        path = self._cache / f"{key}-{hashlib.sha256(content).hexdigest()}.sqlite"
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_bytes(content)
        fresh.replace(path)

    def fetch(self, keys: Sequence[str]) -> int:
        cached = self._cached()
        for number, key in enumerate(keys):
            if key in cached and self._take(cached[key]):
                return number
        return -1

    def close(self) -> None:
        self._clear()
        self._kept.unlink(missing_ok=True)

    def _cached(self) -> dict[str, Path]:
        """By key. No folder is an empty one."""
        return {path.name.partition("-")[0]: path for path in self._cache.glob("*-*.sqlite")}

    def _take(self, path: Path) -> bool:
        with suppress(OSError):
            content = path.read_bytes()
            if not _whole(path, content):
                path.unlink()
                return False
            self._clear()
            self._file.write_bytes(content)
            with suppress(OSError):  # a cache that can't be written to can be read
                os.utime(path)
            return True
        return False

    def _copy(self, source: Path, to: Path) -> None:
        try:
            shutil.copyfile(source, to)
        except OSError as error:
            hint = "free some space there, or set TMPDIR to another folder"
            raise TargetError(f"the scratch database can't be copied: {error.strerror}", hint=hint) from error

    def _clear(self) -> None:
        for path in (self._file, *(self._file.with_name(self._file.name + end) for end in _BESIDE)):
            path.unlink(missing_ok=True)

    def _throw_out(self) -> None:
        """The oldest, beyond a number and a size; and what was never finished."""
        found = sorted(self._cache.glob("*.sqlite"), key=lambda path: path.stat().st_mtime, reverse=True)
        size = 0
        for number, path in enumerate(found):
            size += path.stat().st_size
            if number >= MOST_TEMPLATES or size > MOST_BYTES:
                path.unlink()
        for path in self._cache.iterdir():
            if path.suffix[1:].isdecimal() and time.time() - path.stat().st_mtime > HALF_WRITTEN_S:
                path.unlink()


def _whole(path: Path, content: bytes) -> bool:
    return hashlib.sha256(content).hexdigest() == path.stem.rpartition("-")[2]
