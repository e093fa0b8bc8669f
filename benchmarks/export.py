"""`python -m benchmarks.export`: the formats of `export` beside the bare work that they can't do without.

jsonl beside reading every row and writing its bytes; csv beside one json.loads of every statement and csv.writer on the
very same rows. `reconciled` is jsonl with databases in reach, for which it judges every entry. The sides take turns in
one process, and who goes first changes with every pair; how much memory each format takes is measured in a process of
its own. Nothing is recorded, so that every run exports the same.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from time import perf_counter, process_time
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

from benchmarks.long_ledger import ENVIRONMENTS, KEYS, ROLES, build
from migrate_flow.bootstrap.exporting import archive
from migrate_flow.config.load import FILE_NAME
from migrate_flow.config.render import render
from migrate_flow.core.audit import Selection
from migrate_flow.core.facts import Identity, Observation
from migrate_flow.exports import write
from migrate_flow.services.export import gather
from migrate_flow.signing.private_key import public_text

FORMATS = ("jsonl", "csv", "reconciled")
LEDGER = "ledger.db"
COLUMNS = "seq, prev, hash, statement, signature, kind, revision, environment, actor, at"
CHUNK = 1000
MEBI = 1024 * 1024


class Took(NamedTuple):
    """Seconds: by the clock, of the processor here, and of the processor in processes that helped."""

    wall: float
    own: float
    helpers: float = 0.0


def prepare(folder: Path, entries: int) -> None:
    """A project whose ledger holds so many entries. Its databases are out of reach."""
    build(folder / LEDGER, entries)
    with _rows(folder, "SELECT hash, statement FROM entry WHERE seq = 1") as rows:
        genesis, statement = next(rows)
    people = {name: (roles, [public_text(KEYS[name])]) for name, roles in ROLES.items()}
    text = render(
        project="shop",
        environments=[(name, "env:NOT_SET", "postgresql") for name in ENVIRONMENTS],
        people=people,
        ledger_url=f"sqlite:///{LEDGER}",
        ledger_id=json.loads(statement)["predicate"]["ledger"],
        genesis=f"sha256:{genesis}",
    )
    (folder / FILE_NAME).write_text(text)
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")


def export(folder: Path, name: str) -> None:
    """As the command does it."""
    opened, format_name = archive(folder / FILE_NAME, "", asks=False), name
    if name == "reconciled":
        opened, format_name = replace(opened, target=lambda environment, _person: InReach(environment)), "jsonl"
    found = gather(opened, Selection(), format_name, record=False)
    with (folder / f"export.{name}").open("wb") as out:
        write(found, format_name, out)


class InReach:
    """Of a `Target` what an export asks: it answers at once, and stands nowhere."""

    def __init__(self, environment: str) -> None:
        self._identity = Identity(str(uuid5(NAMESPACE_URL, environment)), "shop", environment, "")

    def observe(self) -> Observation:
        return Observation(identity=self._identity, heads=())


@contextmanager
def _rows(folder: Path, query: str) -> Iterator[sqlite3.Cursor]:
    with closing(sqlite3.connect(folder / LEDGER)) as connection:
        yield connection.execute(query)


def bare_jsonl(folder: Path) -> Took:
    query = f"SELECT {COLUMNS} FROM entry ORDER BY seq"
    with _timed() as took, (folder / "bare").open("wb") as out, _rows(folder, query) as rows:
        for seq, prev, hashed, statement, signature, *rest in rows:
            out.write(f"{seq}\t{prev}\t{hashed}\t".encode())
            out.write(statement)
            out.write(f"\t{signature}\t{rest}\n".encode())
    return took()


def bare_csv(folder: Path) -> Took:
    """The rows come from the file that was exported, which is read outside of the clock."""
    with _timed() as took, _rows(folder, "SELECT statement FROM entry ORDER BY seq") as statements:
        for (statement,) in statements:
            json.loads(statement)
    parts = [took()]
    with (folder / "export.csv").open(newline="") as exported, (folder / "bare").open("w", newline="") as out:
        rows, writer = csv.reader(exported), csv.writer(out)
        while chunk := list(islice(rows, CHUNK)):
            with _timed() as took:
                writer.writerows(chunk)
            parts.append(took())
    return Took(*map(sum, zip(*parts, strict=True)))


def whole(folder: Path, name: str) -> Took:
    with _timed() as took:
        export(folder, name)
    return took()


@contextmanager
def _timed() -> Iterator[Callable[[], Took]]:
    """What the block took, to be asked for behind it."""
    wall, cpu, helped = perf_counter(), process_time(), _helped()
    ended: list[Took] = []
    try:
        yield lambda: ended[0]
    finally:
        ended.append(Took(perf_counter() - wall, process_time() - cpu, _helped() - helped))


def _helped() -> float:
    """Seconds of the processor that processes took which this one started, and which have ended."""
    known = os.times()
    return known.children_user + known.children_system


BARE: dict[str, Callable[[Path], Took]] = {"jsonl": bare_jsonl, "csv": bare_csv, "reconciled": bare_jsonl}
GOALS = {"jsonl": 2.0, "csv": 1.5, "reconciled": 2.0}
MOST_MEMORY = 150  # MiB


def compare(folder: Path, name: str, pairs: int) -> float:
    """Prints what both sides took; the median of the processor's ratios."""
    whole(folder, name), BARE[name](folder)  # not counted
    walls, own, cpus = [], [], []
    for number in range(pairs):
        if number % 2:
            ours, bare = whole(folder, name), BARE[name](folder)
        else:
            bare, ours = BARE[name](folder), whole(folder, name)
        walls.append(ours.wall / bare.wall)
        own.append(ours.own / bare.own)
        cpus.append((ours.own + ours.helpers) / bare.own)
        print(f"  {name}: CPU {ours.own:.2f} s and {ours.helpers:.2f} s, bare {bare.own:.2f} s", file=sys.stderr)
    ratio = statistics.median(cpus)
    print(
        f"{name}: {ratio:.2f} times the bare work by CPU ({min(cpus):.2f} to {max(cpus):.2f}), "
        f"{statistics.median(own):.2f} without the processes that verify signatures, "
        f"{statistics.median(walls):.2f} by the clock; goal {GOALS[name]}"
    )
    return ratio


def peak(folder: Path, name: str) -> int:
    """Bytes that a process had at most, which does nothing but export."""
    words = [sys.executable, "-m", "benchmarks.export", "--measure", name, str(folder)]
    return int(subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout)


def _peak_here() -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def _measured(folder: Path, formats: list[str], pairs: int) -> bool:
    """Whether every goal was met."""
    met = True
    for name in formats:
        ratio, most = compare(folder, name, pairs), peak(folder, name) / MEBI
        print(f"{name}: at most {most:.0f} MiB of memory; goal {MOST_MEMORY}")
        met = met and ratio <= GOALS[name] and most <= MOST_MEMORY
    return met


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.export", description=__doc__)
    parser.add_argument("--entries", type=int, default=20_000, metavar="N")
    parser.add_argument("--pairs", type=int, default=3, metavar="N")
    parser.add_argument("--format", action="append", choices=FORMATS, help="only this one; repeatable")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="keep the ledger there, and take it if it is there")
    parser.add_argument("--strict", action="store_true", help="exit 1 where a goal is missed")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        export(Path(given.measure[1]), given.measure[0])
        print(_peak_here())
        return
    with tempfile.TemporaryDirectory(prefix="migrate-flow-export-") as made:
        folder = given.folder or Path(made)
        if not (folder / FILE_NAME).exists():
            folder.mkdir(parents=True, exist_ok=True)
            print(f"building a ledger of {given.entries} entries", file=sys.stderr)
            prepare(folder, given.entries)
        met = _measured(folder, given.format or list(FORMATS), given.pairs)
    if given.strict and not met:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
