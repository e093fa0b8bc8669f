"""The files of a read model: parts that are written once and never changed, and an index that names them.

An index is replaced as a whole, so a reader sees one state of it, whoever writes meanwhile. What is torn, cut off or
flipped does not match its checksum, and is no answer.
"""

from __future__ import annotations

import os
import shutil
import time
import weakref
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from migrate_flow import cache_folder

INDEX = "index"
MOST_LEDGERS = 8
MOST_BYTES = 1 << 28  # of one ledger's model
MOST_PARTS = 8  # then they are written anew as one
LEFT_OVER_S = 600

Ref = list[int]  # number of the part, offset, length, checksum


class Damaged(Exception):
    """What is there is not what was written."""


class Parts:
    """Those that an index names, open: they can be read also after somebody else took them away."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.names = names
        self._files: list[BinaryIO] = []
        weakref.finalize(self, _close, self._files)
        for name in names:
            self._files.append(open(folder / name, "rb", buffering=0))  # noqa: SIM115, PTH123

    def read(self, ref: Ref) -> bytes:
        number, offset, length, checksum = ref
        try:
            self._files[number].seek(offset)
            content = self._files[number].read(length)
        except (OSError, IndexError) as error:
            raise Damaged from error
        if zlib.crc32(content) != checksum:
            raise Damaged
        return content

    def value(self, ref: Ref) -> Any:
        try:
            return orjson.loads(self.read(ref))
        except ValueError as error:
            raise Damaged from error


def _close(files: list[BinaryIO]) -> None:
    for file in files:
        file.close()


class NewPart:
    """Written as it grows. number: its place among the parts. Raises OSError, TypeError for what is no JSON."""

    def __init__(self, folder: Path, number: int) -> None:
        _make_own(folder)
        self.name, self._number, self._length = f"{os.urandom(8).hex()}.part", number, 0
        self._file = _create(folder / self.name)

    def add(self, content: bytes) -> Ref:
        self._length += len(content)
        if self._length > MOST_BYTES:
            raise Damaged
        self._file.write(content)
        return [self._number, self._length - len(content), len(content), zlib.crc32(content)]

    def add_value(self, value: Any) -> Ref:
        return self.add(orjson.dumps(value))

    def close(self) -> None:
        self._file.close()


def read_index(folder: Path) -> dict[str, Any]:
    """Raises OSError, Damaged."""
    _require_own(folder)
    checksum, _, content = (folder / INDEX).read_bytes().partition(b"\n")
    try:
        if int(checksum, 16) != zlib.crc32(content):
            raise Damaged
        index = orjson.loads(content)
    except ValueError as error:
        raise Damaged from error
    if not isinstance(index, dict):
        raise Damaged
    return index


def write_index(folder: Path, index: Mapping[str, Any]) -> None:
    """Raises OSError, TypeError for what is no JSON."""
    _make_own(folder)
    content = orjson.dumps(index)
    fresh = folder / f"{os.urandom(8).hex()}.new"
    with _create(fresh) as file:
        file.write(b"%08x\n%s" % (zlib.crc32(content), content))
    fresh.replace(folder / INDEX)
    _clear(folder, {INDEX, *index["parts"]})


def forget(folder: Path) -> None:
    with suppress(OSError):
        (folder / INDEX).unlink()


def _create(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _make_own(folder: Path) -> None:
    if not cache_folder.make(folder):
        raise PermissionError(f"{folder} is not this user's alone")


def _require_own(folder: Path) -> None:
    """Raises PermissionError for a folder that others could look into or write to."""
    if not cache_folder.is_ours(folder):
        raise PermissionError(f"{folder} is not this user's alone")


def _clear(folder: Path, used: set[str]) -> None:
    """What no index names, once whoever wrote it had the time to; and the models of ledgers not read for longest."""
    now = time.time()
    for path in folder.iterdir():
        if path.name not in used and now - path.stat().st_mtime > LEFT_OVER_S:
            path.unlink()
    models = sorted(folder.parent.glob(f"*/{INDEX}"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in models[MOST_LEDGERS:]:
        shutil.rmtree(path.parent, ignore_errors=True)
