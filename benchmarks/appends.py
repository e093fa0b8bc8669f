"""`python -m benchmarks.appends [N]`: an append to the ledger against the same insert and commit done bare.

Both sides write the same rows to the same kind of database, in turn, in one run: SQLite on this disk, and a PostgreSQL
with its own defaults, durability included. Signing is not part of it. The bare side has one open connection, the same
columns and indexes without the ledger's guards, and checks nothing. Neither side prepares statements on the server.
On PostgreSQL the bare side goes to the server and back three times (BEGIN, INSERT, COMMIT), an append once. What is
left is computing, of which the ratio shows the more the faster the disk commits.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg

from benchmarks.targets import postgres_server
from migrate_flow.core.chain import Head
from migrate_flow.core.entry import Entry, Kind, project
from migrate_flow.ledger.store import LedgerStore, create_store
from tests.support.builders import ADA, MANIFEST, REV, Scribe

NAMES = ("seq", "prev", "hash", "statement", "signature", "kind", "revision", "environment", "actor", "at")
WARM = 20  # pairs that are not counted
TABLE = """CREATE TABLE bare (seq {integer} PRIMARY KEY,
prev varchar(64) NOT NULL UNIQUE, hash varchar(64) NOT NULL UNIQUE,
statement {bytes} NOT NULL, signature text NOT NULL, kind varchar(64) NOT NULL,
revision varchar(64), environment varchar(64), actor varchar(255) NOT NULL, at varchar(32) NOT NULL)"""
INDEX = "CREATE INDEX ix_bare_revision ON bare (revision)"
INSERT = f"INSERT INTO bare ({', '.join(NAMES)}) VALUES ({', '.join(['{mark}'] * len(NAMES))})"

Bare = Callable[[Sequence[object]], None]


@contextmanager
def _sqlite(folder: Path) -> Iterator[tuple[LedgerStore, Bare]]:
    """The bare side with the ledger's own settings: an answer means that the row survives a power cut."""
    with closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("PRAGMA synchronous=EXTRA")
        connection.execute(TABLE.format(integer="integer", bytes="blob"))
        connection.execute(INDEX)
        statement = INSERT.format(mark="?")

        def bare(values: Sequence[object]) -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(statement, values)
            connection.execute("COMMIT")

        yield create_store("sqlite:///ledger.db", folder), bare


@contextmanager
def _postgresql(folder: Path) -> Iterator[tuple[LedgerStore, Bare]]:
    with postgres_server() as server:
        server.running.execute("CREATE DATABASE appends")
        url = server.url("postgresql", "appends")
        store = create_store(url, folder)
        with psycopg.connect(url, prepare_threshold=None) as connection:
            connection.execute(TABLE.format(integer="bigint", bytes="bytea").encode())
            connection.execute(INDEX.encode())
            connection.commit()
            statement = INSERT.format(mark="%s").encode()

            def bare(values: Sequence[object]) -> None:
                connection.execute(statement, values)
                connection.commit()

            yield store, bare


def _unseen(_entries: Sequence[Entry]) -> None:
    raise AssertionError("nobody else appends")


def measure(store: LedgerStore, bare: Bare, count: int) -> tuple[list[float], list[float]]:
    """Seconds of each append and of each bare insert with its commit. Who goes first changes with every pair."""
    scribe = Scribe(store)
    scribe.opens()
    head = scribe.head
    everything = [
        scribe.sign(ADA, Kind.MIGRATION_CREATED, revision=REV, manifest=MANIFEST, _nonce=str(number))
        for number in range(count + WARM)
    ]
    ours: list[float] = []
    theirs: list[float] = []
    for number, (statement, signature) in enumerate(everything):
        following = project(head.seq + 1, head.hash, statement, signature)
        values = [getattr(following, name) for name in NAMES]

        def append(signed: tuple[bytes, str] = (statement, signature), seen: Head = head) -> None:
            store.append(*signed, (), seen=seen, recheck=_unseen)

        def insert(row: Sequence[object] = values) -> None:
            bare(row)

        sides = [(append, ours), (insert, theirs)]
        for act, times in sides if number % 2 else reversed(sides):
            begin = time.perf_counter()
            act()
            times.append(time.perf_counter() - begin)
        head = following.head
    return ours[WARM:], theirs[WARM:]


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.appends", description=__doc__)
    parser.add_argument("count", metavar="N", nargs="?", type=int, default=1000, help="pairs for each database (1000)")
    count = parser.parse_args(words).count
    with tempfile.TemporaryDirectory(prefix="migrate-flow-appends-", dir=".") as made:
        for name, database in (("SQLite", _sqlite), ("PostgreSQL", _postgresql)):
            with database(Path(made)) as (store, bare):
                sides = measure(store, bare, count)
            ours, theirs = (statistics.median(side) * 1000 for side in sides)
            pairs = statistics.median(our / their for our, their in zip(*sides, strict=True))
            print(
                f"{name}: append {ours:.2f} ms, bare insert and commit {theirs:.2f} ms; "
                f"ratio of the medians {ours / theirs:.2f}, median of the pairs' ratios {pairs:.2f}"
            )


if __name__ == "__main__":
    main(sys.argv[1:])
