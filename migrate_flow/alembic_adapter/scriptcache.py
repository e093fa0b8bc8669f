"""What this user's programs read of a project's scripts before, so that a board of thousands need not read them again.

One file a project in the user's cache folder. A row counts as long as the script's size, times and inode are the same;
the time of the last change of its inode can't be put back like the other one. A script that was changed within two
seconds before it was read has no row: it may be changed again without showing.

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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


class _Rows:
    """By key. Each row begins with the stat of its file. learned: what was read now, or read again."""

    def __init__(self, rows: dict[str, list[Any]]) -> None:
        self.stored = rows
        self.rows = dict(rows)
        self.seen: dict[str, list[int]] = {}
        self.learned: set[str] = set()

    def find(self, key: str, path: str) -> list[Any] | None:
        """The row of a file that is as it was."""
        try:
            now = os.stat(path)
        except (OSError, ValueError):
            self.rows.pop(key, None)
            return None
        self.seen[key] = stamp = [now.st_size, now.st_mtime_ns, now.st_ino, now.st_ctime_ns]
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
        loaded = self._load()
        self._scripts, self._modules = _Rows(loaded.get("scripts", {})), _Rows(loaded.get("modules", {}))

    def _load(self) -> dict[str, Any]:
        body = cache_folder.read(self._file) if self._file else None
        try:
            document = orjson.loads(body) if body else {}
        except ValueError:
            return {}
        same = isinstance(document, dict) and all(document.get(key) == value for key, value in self._name.items())
        return document if same else {}

    def header(self, path: str) -> Revision | None:
        """path: in the project (POSIX), of a script that is as it was."""
        row = self._scripts.find(path, f"{self.root}/{path}")
        if row is None:
            return None
        _stamp, _sha256, id_, down, depends_on, labels, doc, _reading = row
        return Revision(id_, tuple(down), tuple(depends_on), tuple(labels), doc, path)

    def learn_header(self, path: str, source: bytes, found: Revision) -> None:
        """After `header` knew nothing."""
        place = (list(found.down_revision), list(found.depends_on), list(found.branch_labels))
        self._scripts.learn(path, hashlib.sha256(source).hexdigest(), found.id, *place, found.doc, None)

    def sha256(self, path: str) -> str:
        """Of a script whose header was found or learned; empty where that is not known."""
        row = self._scripts.rows.get(path) if path in self._scripts.seen else None
        return str(row[1]) if row is not None else ""

    def reading(self, path: str) -> Reading | None:
        """Of a script whose header was found or learned."""
        row = self._scripts.rows.get(path) if path in self._scripts.seen else None
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

    def save(self) -> None:
        """Keep what was learned, without scripts that are gone, if anything is new. Never raises for the disk."""
        before = self._started - RACY_NS
        scripts = self._scripts.kept(before, all_seen=True)
        modules = self._modules.kept(before, all_seen=False)
        if self._file is None or (scripts is self._scripts.stored and modules is self._modules.stored):
            return
        newest = dict(list(modules.items())[-MOST_MODULES:])
        body = orjson.dumps({**self._name, "scripts": scripts, "modules": newest})
        cache_folder.write(self._file, body, most=PROJECTS)


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
