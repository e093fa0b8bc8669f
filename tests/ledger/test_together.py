"""Many processes append to one ledger at once: no fork, no gap, none lost, each entry once."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from migrate_flow.core.lifecycle import fold
from migrate_flow.ledger.store import LedgerStore
from migrate_flow.signing.sshsig import public_key_of
from tests.faults.matrix import POSTGRESQL, SQLITE
from tests.support.builders import ADA, BOB, CY, DAN, EVE, Scribe, policy_document

REPOSITORY = Path(__file__).parents[2]
PEOPLE = (ADA, BOB, CY, DAN, EVE, "flo@example.com", "gus@example.com", "hal@example.com")


def together(url: str, tmp_path: Path, store: LedgerStore, count: int) -> None:
    scribe = Scribe(store)
    scribe.opens(policy_document(dict.fromkeys(PEOPLE, ("developer", "policy-admin"))))
    absolute = url.replace("sqlite:///", f"sqlite:///{tmp_path}/")
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.ledger.appender", absolute, person, str(count)],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for person in PEOPLE
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [json.loads(process.communicate(timeout=280)[0]) for process in processes]
    entries = list(store.entries())
    assert [entry.seq for entry in entries] == list(range(1, 2 + len(PEOPLE) * count))
    for person, seen in zip(PEOPLE, told, strict=True):
        own = [entry for entry in entries[1:] if entry.actor == person]
        assert [entry.predicate["nonce"] for entry in own] == [f"{person} {number}" for number in range(count)]
        assert seen == list(range(1, own[-1].seq + 1)), "each entry once, in order, up to one's own last"
    assert fold(entries, public_key_of).flawed == []
    wanted = {hashlib.sha256(f"{person} {n}".encode()).hexdigest() for person in PEOPLE for n in range(count)}
    assert dict(store.artifacts()).keys() == wanted | {hashlib.sha256(b"shared").hexdigest()}


@pytest.mark.fault("F69", dialect=(SQLITE, POSTGRESQL))
def test_eight_processes_append_at_once(url: str, tmp_path: Path, store: LedgerStore) -> None:
    together(url, tmp_path, store, 40)


@pytest.mark.sweep
def test_eight_processes_append_500_entries_each(url: str, tmp_path: Path, store: LedgerStore) -> None:
    together(url, tmp_path, store, 500)
