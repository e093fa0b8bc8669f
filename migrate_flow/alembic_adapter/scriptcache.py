"""What this user's programs read of a project's scripts before, so that a board of thousands need not read them again.

One file a project in the user's cache folder: a line that sums up, and a line for each script. A row counts as long as
the script's size, times and inode are the same; the time of the last change of its inode can't be put back like the
other one. A script that was changed within two seconds before it was read has no row: it may be changed again without
showing. Where that is so of no file, and of each of thousands everything is as it was, their rows are not even decoded.

It is for showing alone. Whoever signs, approves or applies reads the bytes: `Checkout.manifest` never looks here, and
only commands that do none of it get a `Checkout` with a cache. `plan` is one of them: what it judges are manifests, it
holds the headers of what is pending against their bytes (`Checkout.confirm`), and `apply` makes a plan of its own.
"""

# ruff: noqa: PTH116

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from migrate_flow import cache_folder
from migrate_flow.alembic_adapter import header, imports, manifest
from migrate_flow.alembic_adapter.imports import Names
from migrate_flow.core import behaviour, revision, traits
from migrate_flow.core.revision import Revision
from migrate_flow.core.traits import Traits

PROJECTS = 50
RACY_NS = 2 * 10**9
MOST_MODULES = 2 * imports.MAX_FILES

# Code that says what a row holds: rows of any other version of it are none.
_MAKERS = (header, imports, manifest, behaviour, revision, traits)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one file says by itself. alone: the digest of a manifest of nothing else. behaviour: of a script; empty
    where no manifest can be made of it, and for a module."""

    sha256: str
    alone: str
    behaviour: str
    names: Names
    traits: Traits


class Whole(NamedTuple):
    """What came of all scripts together, where nothing was wrong with one. listing: digest of their names and stats.
    ids: in the order of the files; order: parents first. digests: of the manifests, empty where none can be made.
    behind: which files lay behind what they import: (imports, a script that has them, files or None)."""

    listing: str
    ids: list[str]
    order: list[str]
    digests: list[str]
    behind: list[tuple[list[str], str, list[list[str]] | None]]


class _Rows:
    """By key. Each row begins with the stat of its file. learned: what was read now, or read again."""

    def __init__(self, rows: dict[str, list[Any]]) -> None:
        self.stored = rows
        self.rows = dict(rows)
        self.seen: dict[str, list[int]] = {}
        self.learned: set[str] = set()

    def find(self, key: str, path: str) -> list[Any] | None:
        """The row of a file that is as it was."""
        stamp = self.seen.get(key) or _stamp(path)
        if stamp is None:
            self.rows.pop(key, None)
            return None
        self.seen[key] = stamp
        row = self.rows.get(key)
        if row is not None and row[0] != stamp:
            del self.rows[key]
            return None
        return row

    def learn(self, key: str, *row: Any) -> None:
        """What was read after `find`, which took the stat."""
        if key in self.seen:
            self.rows[key] = [self.seen[key], *row]
            self.learned.add(key)

    def kept(self, before: int, *, all_seen: bool) -> dict[str, list[Any]]:
        """What to store. before: of what was learned, files that were last changed before this time (ns).

        all_seen: a file that nobody asked for is gone. The very rows that are stored, where nothing is new.
        """
        if not self.learned and self.rows.keys() == self.stored.keys() == (self.seen if all_seen else self.rows).keys():
            return self.stored
        keys = self.seen if all_seen else self.rows
        rows = ((key, self.rows[key]) for key in keys if key in self.rows)
        found = {key: row for key, row in rows if key not in self.learned or max(row[0][1], row[0][3]) < before}
        same = found.keys() == self.stored.keys() and self.learned.isdisjoint(found)
        return self.stored if same else found


class ScriptCache:
    """folder: where the files of all projects lie; None where nothing can be kept. root: the project's real path.
    now: when reading begins, in ns since the epoch; default, now."""

    def __init__(self, folder: Path | None, root: str, now: int | None = None) -> None:
        self.root = root
        self._started = time.time_ns() if now is None else now
        self._file = folder / f"{hashlib.sha256(os.fsencode(root)).hexdigest()[:32]}.json" if folder else None
        self._name = {"made_by": _made_by(), "root": ascii(root)}
        self._head, self._lines = self._load()
        self._modules = _Rows(self._head.get("modules", {}))
        self._places: dict[str, int] = {}  # by path: its line, where all is as it was
        self._stamps: dict[str, list[int]] = {}
        self._given: Whole | None = None
        self._written = b""

    def _load(self) -> tuple[dict[str, Any], list[bytes]]:
        body = cache_folder.read(self._file) if self._file else None
        first, *lines = body.split(b"\n") if body else [b""]
        try:
            head = orjson.loads(first) if first else {}
        except ValueError:
            return {}, []
        same = isinstance(head, dict) and all(head.get(key) == value for key, value in self._name.items())
        return (head, lines) if same else ({}, [])

    @cached_property
    def _scripts(self) -> _Rows:
        rows = _Rows({path: row for path, *row in map(orjson.loads, self._lines)})
        rows.seen = self._stamps
        return rows

    def whole(self, files: Sequence[tuple[str, os.DirEntry[str]]]) -> Whole | None:
        """Where each of the files (by its path in the project, POSIX) is as it was, and there is no other one: what
        came of them. Whether the same lies behind their imports is for the caller to see: else `distrust`."""
        listed = []
        for path, entry in files:
            try:
                now = entry.stat()
            except OSError:
                return None
            listed.append((path, now.st_size, now.st_mtime_ns, now.st_ino, now.st_ctime_ns))
        self._stamps = {path: stamp for path, *stamp in listed}
        stored = self._head.get("whole")
        if not stored or len(listed) != len(self._lines) or stored[0] != _listing(listed):
            return None
        self._places = {path: number for number, path in enumerate(self._stamps)}
        return Whole(*stored)

    def distrust(self) -> None:
        """What `whole` gave is not so any more: each row counts for itself."""
        self._places = {}

    def _row(self, path: str) -> list[Any] | None:
        """Of a script that was found or learned."""
        if self._places:
            place = self._places.get(path)
            return None if place is None else orjson.loads(self._lines[place])[1:]
        return self._scripts.rows.get(path) if path in self._scripts.seen else None

    def revision(self, path: str) -> Revision:
        """path: one of those of which `whole` knew."""
        row = self._row(path)
        assert row is not None  # noqa: S101
        return _revision(row, path)

    def header(self, path: str) -> Revision | None:
        """path: in the project (POSIX), of a script that is as it was."""
        row = self._scripts.find(path, f"{self.root}/{path}")
        return None if row is None else _revision(row, path)

    def learn_header(self, path: str, source: bytes, found: Revision) -> None:
        """After `header` knew nothing."""
        place = (list(found.down_revision), list(found.depends_on), list(found.branch_labels))
        self._scripts.learn(path, hashlib.sha256(source).hexdigest(), found.id, *place, found.doc, None)

    def sha256(self, path: str) -> str:
        """Of a script whose header was found or learned; empty where that is not known."""
        row = self._row(path)
        return str(row[1]) if row is not None else ""

    def reading(self, path: str) -> Reading | None:
        """Of a script whose header was found or learned."""
        row = self._row(path)
        if row is None or row[-1] is None:
            return None
        alone, found, names, risks, tables, waived = row[-1]
        said = Traits(tuple(risks), frozenset(tables), frozenset(waived))
        return Reading(row[1], alone, found, Names(tuple(names)), said)

    def learn_reading(self, path: str, found: Reading) -> None:
        """Unless other bytes were read for the header."""
        row = self._scripts.rows.get(path) if path in self._scripts.seen else None
        if row is not None and row[1] == found.sha256:
            said = found.traits
            parts = [said.risks, sorted(said.tables), sorted(said.waived)]
            row[-1] = [found.alone, found.behaviour, found.names.imports, *parts]
            self._scripts.learned.add(path)

    def module(self, path: str, name: str) -> Reading | None:
        """path: in the project (POSIX). name: as which it is imported."""
        row = self._modules.find(f"{name} {path}", f"{self.root}/{path}")
        if row is None:
            return None
        _stamp, sha256, found, exported, risks, tables = row
        said = Traits(tuple(risks), frozenset(tables))
        return Reading(sha256, "", "", Names(tuple(found), tuple(exported)), said)

    def learn_module(self, path: str, name: str, found: Reading) -> None:
        said = found.traits
        parts = (found.names.imports, found.names.exported, said.risks, sorted(said.tables))
        self._modules.learn(f"{name} {path}", found.sha256, *parts)

    def save(self, whole: Whole | None = None) -> None:
        """Keep what was learned, without scripts that are gone, if anything is new. whole: of all of them; its listing
        is found out here. Never raises for the disk."""
        whole = self._given = whole or self._given
        before = self._started - RACY_NS
        modules = self._modules.kept(before, all_seen=False)
        lines, summed_up = self._lines, self._head.get("whole")
        places: dict[str, int] = {}
        if not self._places:
            scripts = self._scripts.kept(before, all_seen=True)
            if scripts is not self._scripts.stored:
                lines, summed_up = [orjson.dumps([path, *row]) for path, row in scripts.items()], None
            if whole and scripts.keys() == self._scripts.seen.keys():
                listing = _listing([(path, *row[0]) for path, row in scripts.items()])
                summed_up = [listing, *whole[1:]]
                places = {path: number for number, path in enumerate(scripts)}
        newest = dict(list(modules.items())[-MOST_MODULES:])
        head = {**self._name, "whole": summed_up, "modules": newest}
        if self._file is None or (lines is self._lines and modules is self._modules.stored and head == self._head):
            return
        body = b"\n".join([orjson.dumps(head), *lines])
        digest = hashlib.sha256(body).digest()
        if digest != self._written:
            cache_folder.write(self._file, body, most=PROJECTS)
            self._written = digest
        if places:
            # Of thousands the rows take more memory than all else: from here on each is decoded when it is asked for,
            # as by whoever finds them next time.
            self._head, self._lines, self._places = head, lines, places
            del self._scripts


def _revision(row: list[Any], path: str) -> Revision:
    _stamp, _sha256, id_, down, depends_on, labels, doc, _reading = row
    return Revision(id_, tuple(down), tuple(depends_on), tuple(labels), doc, path)


def _stamp(path: str) -> list[int] | None:
    try:
        now = os.stat(path)
    except (OSError, ValueError):
        return None
    return [now.st_size, now.st_mtime_ns, now.st_ino, now.st_ctime_ns]


def _listing(files: list[Any]) -> str:
    return hashlib.sha256(orjson.dumps(files)).hexdigest()


def _made_by() -> str:
    """This Python and this code."""
    found = [sys.version]
    for module in _MAKERS:
        try:
            now = os.stat(module.__file__ or "")
            found.append(f"{now.st_size} {now.st_mtime_ns}")
        except OSError:  # in an archive
            found.append(module.__name__)
    return "\n".join(found)
