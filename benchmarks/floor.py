"""`python -m benchmarks.floor [N] [--pairs N]`: the least that applying N small revisions (200) from zero can take on
PostgreSQL, beside Alembic with one transaction each, and ours in the same run.

The floor leaves out what decides: no gate, no lock, no signature that is verified, no plan, no journal, no schema that
is made of a catalog's answers. It does what is left of a revision then (`floor_side.py`): an entry before and one
after, each signed and durable by itself, a receipt in the step's own transaction, a look from another connection, and
the catalog queries of a snapshot.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import sys
from contextlib import closing
from pathlib import Path
from shutil import copytree, rmtree

from benchmarks.floor_side import LEDGER
from benchmarks.inputs import alembic_project, history
from benchmarks.measure import STATE, CommandFailed, Contender, Workspace, median, sample, workspace
from benchmarks.peers import ours
from benchmarks.peers.peer import Job
from benchmarks.targets import PostgresTarget, postgres_server

WAYS = {
    ("once", "one"): "env.py once, one snapshot",
    ("once", "each"): "env.py once, a snapshot each",
    ("anew", "one"): "env.py anew, one snapshot",
    ("anew", "each"): "env.py anew, a snapshot each",
}


def sides(space: Workspace, target: PostgresTarget, count: int) -> list[Contender]:
    """Alembic first, ours last."""
    changes = history(count)
    plain, template, folder = (space.folder / name for name in ("plain", "template", "ours"))
    alembic_project(plain, changes, target.url)
    target.empty()
    job = Job(space, template, target, changes)
    ours.OURS.write(job)

    def emptied() -> None:
        target.empty()
        for end in ("", "-wal", "-shm"):
            (plain / f"{LEDGER}{end}").unlink(missing_ok=True)

    def restored() -> None:
        target.empty()
        rmtree(space.folder / STATE, ignore_errors=True)
        rmtree(folder, ignore_errors=True)
        copytree(template, folder)

    def check() -> None:
        if (found := target.tables(plain)) != count:
            raise CommandFailed(f"{found} of {count} tables are there")

    def evidence() -> None:
        check()
        with closing(sqlite3.connect(plain / LEDGER)) as ledger:
            (entries,) = ledger.execute("SELECT count(*) FROM entry").fetchone()
        query = "SELECT count(*) FROM migrate_flow.receipt"
        ((receipts,),) = target.server.running.execute(query, database=target.database)
        if (entries, receipts) != (2 * count, count):
            raise CommandFailed(f"{entries} entries and {receipts} receipts of {count} revisions are there")

    bare, environ = [sys.executable, "-m", "benchmarks.floor_side"], {"PYTHONPATH": str(Path(__file__).parents[1])}
    return [
        Contender("alembic", ["alembic", "upgrade", "head"], plain, {}, emptied, check),
        *(Contender(said, [*bare, *words], plain, environ, emptied, evidence) for words, said in WAYS.items()),
        Contender("migrate-flow", ours.OURS.apply(job), folder, {}, restored, check),
    ]


def compare(count: int, pairs: int) -> None:
    with workspace([Path(sys.executable).parent]) as space, postgres_server() as server:
        found = sides(space, PostgresTarget(server, "floor"), count)
        turns = [[sample(space, one) for one in found] for _ in range(pairs + 1)][1:]
    print(f"{count} from zero on PostgreSQL, by Alembic in the same turn: {pairs} turns")
    for number, one in enumerate(found):
        took = [turn[number] for turn in turns]
        ratios = sorted(turn[number].wall / turn[0].wall for turn in turns)
        said = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})"
        print(f"  {one.name:30} {said:18} {median(took, 'wall'):6.2f} s, {median(took, 'cpu'):5.2f} s of it CPU")


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.floor", description=__doc__.partition("\n\n")[0])
    parser.add_argument("count", metavar="N", nargs="?", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=3)
    given = parser.parse_args()
    compare(given.count, given.pairs)


if __name__ == "__main__":
    main()
