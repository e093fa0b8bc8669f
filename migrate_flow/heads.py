"""The newest head that this user's programs saw of each ledger, kept beside no ledger and in no project.

Whoever restores, cuts off or replaces a ledger can make it whole again in itself. What was seen of it elsewhere they
can't: every receipt in a target holds a head, and so do the files here. They are kept by the place where a ledger is
configured to lie, which finds another one put there, and by its own id, which finds it cut off at another place. A
ledger on a server is one for all checkouts; one in a file may be copied together with its project, for a trial, and
that is no alarm: its id counts within one project's folder.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from migrate_flow.core.chain import Head, SeenHead


@dataclass(frozen=True, slots=True)
class LocalHeads:
    """Implements `Heads` for one configured ledger. ledger: where it is configured to lie, without secrets. project:
    the project's folder."""

    ledger: str
    project: Path

    @property
    def path(self) -> Path:
        return _path("heads", self.ledger)

    def newest(self) -> SeenHead | None:
        """None where nothing was seen yet, or what was noted can't be read any more."""
        return _read(self.path)

    def of(self, ledger: str) -> SeenHead | None:
        """As newest, for the ledger with this id, wherever it lay."""
        found = [seen for path in self._paths(ledger) if (seen := _read(path)) is not None and seen.ledger == ledger]
        return max(found, key=lambda seen: seen.head.seq, default=None)

    def note(self, ledger: str, head: Head) -> None:
        """Keep it. A home that can't be written to is no reason to fail: then the targets' receipts alone tell."""
        noted = json.dumps({"where": self.ledger, "ledger": ledger, "seq": head.seq, "hash": head.hash}, indent=1)
        _write(self.path, noted)
        known = self.of(ledger)
        if known is None or known.head.seq <= head.seq:  # another process may have seen more meanwhile
            for path in self._paths(ledger):
                _write(path, noted)

    def _paths(self, ledger: str) -> list[Path]:
        """Of the notes by id."""
        here = _path("ledgers", f"{ledger} {self.project.absolute()}")
        return [here, _path("ledgers", ledger)] if "://" in self.ledger else [here]


def _path(folder: str, name: str) -> Path:
    import platformdirs

    state = platformdirs.user_state_path("migrate-flow", appauthor=False)
    return state / folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"


def _read(path: Path) -> SeenHead | None:
    try:
        noted = json.loads(path.read_text("utf-8"))
        head = Head(int(noted["seq"]), str(noted["hash"]))
        return SeenHead(str(noted["ledger"]), head, str(path), str(noted["where"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.write_text(text + "\n", "utf-8")
        draft.replace(path)
