"""`python -m benchmarks.verify`: `ledger verify` beside the bare Ed25519 verification of the very same signatures.

The two take turns within one run, after every few hundred entries, so that both meet the same noise. How it grows over
processes and how much memory it takes is measured in processes of their own.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from time import perf_counter, process_time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from benchmarks.long_ledger import KEYS, build
from migrate_flow.bootstrap.keyring import SshsigVerifier
from migrate_flow.ledger.store import LedgerStore, open_store
from migrate_flow.services.verify_chunk import Row
from migrate_flow.services.verify_ledger import verify

TURN = 512
MEBI = 1024 * 1024
SIGNED = b"SSHSIG" + b"".join(
    len(part).to_bytes(4, "big") + part for part in (b"migrate-flow", b"", b"sha512")
) + (64).to_bytes(4, "big")  # fmt: skip


class Turns:
    """The store's ledger. Before every few hundred rows that it hands out, their signatures are verified bare.

    bare: seconds of the processor that this took. aside: with its preparation, so all that is not the verification's.
    """

    def __init__(self, store: LedgerStore) -> None:
        self._store = store
        self.bare = self.aside = 0.0

    def raw_rows(self) -> Iterator[Row]:
        rows = self._store.raw_rows()
        while batch := list(islice(rows, TURN)):
            began = process_time()
            prepared = [_bare(row) for row in batch]
            ready = process_time()
            for key, signature, signed in prepared:
                key.verify(signature, signed)
            ended = process_time()
            self.bare += ended - ready
            self.aside += ended - began
            yield from batch

    def artifacts(self) -> Iterator[tuple[str, bytes]]:
        return self._store.artifacts()

    def describe(self) -> str:
        return self._store.describe()


_PUBLIC = {name: key.public_key() for name, key in KEYS.items()}


def _bare(row: Row) -> tuple[Ed25519PublicKey, bytes, bytes]:
    _seq, _prev, _hash, statement, signature, _kind, _revision, _environment, actor, _at = row
    armour = "".join(signature.splitlines()[1:-1])
    return _PUBLIC[actor], base64.b64decode(armour)[-64:], SIGNED + hashlib.sha512(statement).digest()


def _children() -> list[str]:
    return [pid for task in Path("/proc/self/task").glob("*/children") for pid in task.read_text().split()]


def _peak(pid: str) -> int:
    """The most memory that a process ever had, in bytes; 0 where the system does not say."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)


def measure(path: Path, processes: int) -> dict[str, float]:
    """One whole verification. wall: seconds. cpu, bare: seconds of this process, bare only where it is alone. peak,
    worker: bytes."""
    store = open_store(f"sqlite:///{path.name}", path.parent)
    turns = Turns(store)
    ended = threading.Event()
    workers = [0]

    def watch() -> None:
        while not ended.wait(0.2):
            workers.append(max(map(_peak, _children()), default=0))

    watcher = threading.Thread(target=watch, daemon=True)
    if processes > 1:
        watcher.start()
    began, began_cpu = perf_counter(), process_time()
    report = verify(turns if processes == 1 else store, SshsigVerifier(), processes=processes)  # type: ignore[arg-type]
    wall, cpu = perf_counter() - began - turns.aside, process_time() - began_cpu - turns.aside
    ended.set()
    if not report.ok:
        raise SystemExit(f"error: {report.problems[:3]}")
    return {
        "wall": wall,
        "cpu": cpu,
        "bare": turns.bare,
        "peak": _peak("self"),
        "worker": max(workers),
        "n": report.entries,
    }


def _apart(path: Path, processes: int) -> dict[str, float]:
    """The same in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.verify", "--measure", str(path), "--processes", str(processes)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout))


def compare(length: int, pairs: int, processes: int) -> None:
    with tempfile.TemporaryDirectory(prefix="migrate-flow-verify-") as folder:
        long, short = Path(folder) / "long.db", Path(folder) / "short.db"
        for path, entries in ((long, length), (short, length // 10)):
            print(f"building {path.name}: {entries} entries", file=sys.stderr)
            build(path, entries)
        small = _apart(short, 1)
        ones, manies = [], []
        for _ in range(pairs):
            ones.append(_apart(long, 1))
            manies.append(_apart(long, processes))
    rates = [one["bare"] / one["cpu"] for one in ones]
    grows = [one["wall"] / many["wall"] for one, many in zip(ones, manies, strict=True)]
    for one, many in zip(ones, manies, strict=True):
        each = [round(1e6 * took / one["n"]) for took in (one["bare"], one["cpu"], one["wall"], many["wall"])]
        print(
            "us an entry: bare {}, verify {}; by the clock {}, with {} processes {}".format(
                *each[:3], processes, each[3]
            )
        )
    print(f"one process: {statistics.median(rates):.0%} of the bare rate ({min(rates):.0%} to {max(rates):.0%})")
    print(f"{processes} processes: {statistics.median(grows):.2f} times one ({min(grows):.2f} to {max(grows):.2f})")
    print(f"peak memory, one process: {small['peak'] / MEBI:.0f} MiB for {length // 10} entries, ", end="")
    print(f"{ones[0]['peak'] / MEBI:.0f} MiB for {length}")
    print(f"peak memory, {processes} processes: {manies[0]['peak'] / MEBI:.0f} MiB, ", end="")
    print(f"and {manies[0]['worker'] / MEBI:.0f} MiB in each worker")


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.verify", description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000, metavar="N")
    parser.add_argument("--pairs", type=int, default=3, metavar="N")
    parser.add_argument("--processes", type=int, default=2, metavar="N")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure, given.processes)))
    else:
        compare(given.entries, given.pairs, given.processes)


if __name__ == "__main__":
    main()
