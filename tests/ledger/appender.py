"""One of several processes that append to the same ledger at once: `python -m tests.ledger.appender URL PERSON N`.

Says "ready", waits for a line, appends N entries, and prints what it saw: the positions of the entries that it was
given to recheck and of those that it wrote, in order, as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from migrate_flow.core.entry import Entry, Kind
from migrate_flow.ledger.store import open_store
from tests.support.builders import MANIFEST, REV, Scribe


def main(url: str, person: str, count: int) -> None:
    store = open_store(url, Path())
    scribe = Scribe(entries=list(store.entries()))
    seen = [entry.seq for entry in scribe.entries]

    def recheck(entries: Sequence[Entry]) -> None:
        seen.extend(entry.seq for entry in entries)

    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(count):
        nonce = f"{person} {number}"
        signed = scribe.sign(person, Kind.MIGRATION_CREATED, revision=REV, manifest=MANIFEST, _nonce=nonce)
        entry = store.append(*signed, [nonce.encode(), b"shared"], seen=scribe.head, recheck=recheck)
        seen.append(entry.seq)
        scribe.entries.append(entry)
    print(json.dumps(seen))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
