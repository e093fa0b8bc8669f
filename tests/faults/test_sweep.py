"""kill -9 before any call that changes something, from the intent's first write to exit: the ledger tells the truth.

Each kill is one fresh interpreter below strace, on a copy of one project and database. By default at most POINTS calls
of each dialect, the same ones each time. In the environment: MIGRATE_FLOW_SWEEP_POINTS=N for another number,
MIGRATE_FLOW_SWEEP=all for every call, MIGRATE_FLOW_SWEEP_SEED=N for another choice.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.acceptance.conftest import Terminal
from tests.faults.conftest import copied, drop, governed, new_database
from tests.faults.matrix import DIALECTS, MARIADB, POSTGRESQL, SQLITE
from tests.faults.place import FIRST, Place
from tests.faults.sweep import Point, calls_of, require_truth, traced_apply, warm_up
from tests.faults.test_failpoints import SCRIPT
from tests.support.alembic_projects import write_script

# Read here: when a test runs, the caller's settings are gone.
SEED = int(os.environ.get("MIGRATE_FLOW_SWEEP_SEED", "1"))
EVERY = os.environ.get("MIGRATE_FLOW_SWEEP") == "all"
POINTS = int(os.environ.get("MIGRATE_FLOW_SWEEP_POINTS", "60"))
PARTS = 2  # of a dialect, for as many processes

NOT_SWEPT = {
    SQLITE: "mmap writes (none: neither database is in WAL mode, so there is no -shm file)",
    POSTGRESQL: "the server's own calls",
    MARIADB: "the server's own calls",
}


@dataclass
class Tally:
    """What became of the points. early: killed before the intent was written; outlived: not killed at all."""

    there: int = 0
    tried: int = 0
    killed: int = 0
    early: int = 0
    outlived: int = 0
    others: int = 0
    recovered: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def told(self, dialect: str, part: str) -> str:
        return "\n".join(
            (
                f"\nsweep of {dialect}, part {part}, seed {SEED}: {self.there} calls from the intent to exit in this "
                f"part, {self.tried} tried: {self.killed} killed there, {self.early} before the intent, "
                f"{self.outlived} outlived it; {len(self.violations)} violations",
                f"  recovery found: {', '.join(f'{what} ({n})' for what, n in sorted(self.recovered.items()))}",
                f"  swept: {', '.join(calls_of(dialect))}, in the main thread",
                f"  not swept: every other call, among them opens, reads of files, connects and closes; other threads "
                f"and processes ({self.others} such calls seen); the moment within a call; {NOT_SWEPT[dialect]}",
                *self.violations,
            )
        )


@pytest.fixture
def first(dialect: str, request: pytest.FixtureRequest, terminal: Terminal, tmp_path: Path) -> Iterator[Place]:
    """A project whose dev stands at FIRST, with the next revision waiting."""
    url = new_database(dialect, request, tmp_path)
    place = governed(dialect, terminal(tmp_path / "first"), url)
    write_script(place.versions, FIRST)
    place.flow("track")
    place.flow("apply", "--env", "dev")
    place.execute("INSERT INTO t_aaaa01 VALUES (1, 'one')")
    place.second(SCRIPT)
    yield place
    drop(dialect, request, url)


# NOTE: no mark for MariaDB or strace: a test that has two marks that are off would not run for either alone.
@pytest.mark.sweep
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", [f"{number}/{PARTS}" for number in range(1, PARTS + 1)])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_killed_before_any_call_then_applied_once(
    dialect: str,
    part: str,
    first: Place,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tally = Tally()
    for point in _chosen(first, part, request, tmp_path, tally):
        _try(first, point, request, tmp_path, tally)
    told = tally.told(dialect, part)
    with capsys.disabled():  # to stderr: a worker's stdout belongs to pytest-xdist
        print(told, file=sys.stderr)
    assert not tally.violations, told
    # The numbers of calls differ a little from run to run: a poll more, a page split elsewhere.
    assert tally.killed >= 0.9 * tally.tried > 0, told


def _chosen(first: Place, part: str, request: pytest.FixtureRequest, folder: Path, tally: Tally) -> list[Point]:
    """A dry run counts the calls; this part's share of them, in their order."""
    with _copy(first, request, folder / "warm") as place:
        warm_up(place)
    with _copy(first, request, folder / "dry") as place:
        before = place.kinds()
        dry = traced_apply(place, folder / "dry.trace")
        assert dry.code == 0
        assert place.kinds() == [*before, "apply.intended", "apply.applied"]
        place.applied_once()
    points = dry.points()[int(part.partition("/")[0]) - 1 :: PARTS]
    count = len(points) if EVERY else min(len(points), POINTS // PARTS)
    tally.there, tally.tried, tally.others = len(points), count, dry.others
    chosen = set(random.Random(f"{SEED} {part}").sample(points, count))
    return [point for point in points if point in chosen]


def _try(first: Place, point: Point, request: pytest.FixtureRequest, folder: Path, tally: Tally) -> None:
    log = folder / f"{point}.trace"
    with _copy(first, request, folder / str(point)) as place:
        done = traced_apply(place, log, point)
        if done.code == 0:
            tally.outlived += 1
        elif done.intent is None:
            tally.early += 1
        else:
            tally.killed += 1
        try:
            tally.recovered[require_truth(place)] += 1
        except Exception as error:  # all are told at the end
            where = done.calls[-1][:200] if done.calls else "?"
            told = "".join(traceback.format_exception(error, limit=-2))
            tally.violations.append(f"VIOLATION at {point}, killed before: {where}\n{told}")


@contextmanager
def _copy(first: Place, request: pytest.FixtureRequest, folder: Path) -> Iterator[Place]:
    folder.mkdir()
    shutil.copytree(first.shell.folder, folder / "shop")
    url = copied(first, request, folder)
    yield replace(first, shell=first.shell.at(folder / "shop").under(DEV_URL=url), url=url)
    drop(first.dialect, request, url)
    shutil.rmtree(folder)
