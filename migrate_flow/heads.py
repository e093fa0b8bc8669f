"""The newest head that this user's programs saw of each configured ledger, kept beside no ledger and in no project.

Whoever restores, cuts off or replaces a ledger can make it whole again in itself. What was seen of it elsewhere they
can't: every receipt in a target holds a head, and so does the file here.
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
    """Implements `Heads` for one configured ledger. ledger: where it is configured to lie, without secrets."""

    ledger: str

    @property
    def path(self) -> Path:
        import platformdirs

        folder = platformdirs.user_state_path("migrate-flow", appauthor=False) / "heads"
        return folder / f"{hashlib.sha256(self.ledger.encode()).hexdigest()[:32]}.json"

    def newest(self) -> SeenHead | None:
        """None where nothing was seen yet, or what was noted can't be read any more."""
        try:
            noted = json.loads(self.path.read_text("utf-8"))
            return SeenHead(str(noted["ledger"]), Head(int(noted["seq"]), str(noted["hash"])), str(self.path))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def note(self, ledger: str, head: Head) -> None:
        """Keep it. A home that can't be written to is no reason to fail: then the targets' receipts alone tell."""
        noted = {"where": self.ledger, "ledger": ledger, "seq": head.seq, "hash": head.hash}
        path = self.path
        draft = path.with_name(f"{path.name}.{os.getpid()}.new")
        with suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft.write_text(json.dumps(noted, indent=1) + "\n", "utf-8")
            draft.replace(path)
