"""What is compared. A case prepares its inputs once, and brings them back before every run."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks import long_project, rehearse
from benchmarks.inputs import alembic_project, history
from benchmarks.measure import STATE, CommandFailed, Contender, Result, Workspace, compare
from benchmarks.peers import PEERS, ours
from benchmarks.peers.peer import Job, Peer
from benchmarks.targets import PostgresTarget, Server, SqliteTarget, Target
from tests.support.proxy import Proxy

PENDING = 20
FAR_S = 0.004


@dataclass(frozen=True, slots=True)
class Bench:
    """server: where a case asks for it; peers: those found; runs: measured pairs."""

    space: Workspace
    peers: Sequence[Peer]
    runs: int
    server: Server | None


@dataclass(frozen=True, slots=True)
class Case:
    """runs: measured pairs in a full run, unless the command line says otherwise."""

    name: str
    title: str
    runs: int
    measure: Callable[[Bench, str], Iterator[Result]]
    needs_server: bool = False


def _apply_all(kind: str, count: int, bench: Bench, case: str) -> Iterator[Result]:
    """Every peer against ours: all changes on an empty database."""
    us = _from_zero(kind, count, bench, case, ours.OURS)
    for peer in bench.peers:
        yield compare(bench.space, case, us, _from_zero(kind, count, bench, case, peer), bench.runs)


def _far_away(count: int, bench: Bench, case: str) -> Iterator[Result]:
    """The same on a server whose answer takes `FAR_S` there and back, as between two data centres."""
    assert bench.server is not None
    with Proxy(bench.server.socket, FAR_S / 2) as way:
        far = replace(bench, server=replace(bench.server, socket=way.folder / bench.server.socket.name))
        yield from _apply_all("postgresql", count, replace(far, peers=[PEERS[0]]), case)


def _from_zero(kind: str, count: int, bench: Bench, case: str, peer: Peer) -> Contender:
    target = _target(kind, bench, peer)
    template = bench.space.folder / case / f"{peer.name}-template"
    prepared = Job(bench.space, template, target, history(count))
    target.empty()
    peer.write(prepared)
    folder = template.with_name(peer.name)

    def check() -> None:
        found = target.tables(folder)
        if found != count:
            raise CommandFailed(f"{peer.name} said that it was done, but {found} of {count} tables are there")

    reset = partial(_restore, bench.space, template, folder, target)
    return Contender(peer.name, peer.apply(prepared), folder, peer.environ(target), reset, check)


def _long(space: Workspace, template: Path, count: int, pending: int) -> Job:
    """A long history in the flow whose revisions were adopted, but for the last few."""
    target, changes = SqliteTarget(), history(count)
    job = Job(space, template, target, changes)
    alembic_project(template, changes, target.url)
    ours.govern(job)
    space.run(["alembic", "stamp", changes[-1 - pending].revision], template)
    space.run(["migrate-flow", "--as", ours.ADMIN, "adopt", "--env", "dev", "-m", "a long history"], template)
    ours.track(job)
    return job


def _plan(count: int, pending: int, bench: Bench, case: str) -> Iterator[Result]:
    """What would run in production, with all gates and the SQL that self-reviews stored, against Alembic's SQL of the
    same ones."""
    folder = bench.space.folder / case / "project"
    folder.mkdir(parents=True)
    below = long_project.before_production(folder, count, pending, bench.space.environ)
    ours_words = ["migrate-flow", "--as", long_project.ADA, "plan", "--env", long_project.ENVIRONMENTS[-1]]
    yield _readers(bench, case, folder, ours_words, ["alembic", "upgrade", f"{below}:head", "--sql"])


def _one_pending(count: int, bench: Bench, case: str) -> Iterator[Result]:
    """The last revision of a long history whose others were adopted, against `alembic upgrade +1`."""
    space, target = bench.space, SqliteTarget()
    template = space.folder / case / "template"
    job = _long(space, template, count, 1)

    def side(name: str, words: Sequence[str]) -> Contender:
        folder = template.with_name(name)

        def check() -> None:
            if target.tables(folder) != 1:
                raise CommandFailed(f"{name} said that it was done, but the table is not there")

        return Contender(name, words, folder, {}, partial(_restore, space, template, folder, target), check)

    us = side(ours.OURS.name, ours.OURS.apply(job))
    yield compare(space, case, us, side("alembic", ["alembic", "upgrade", "+1"]), bench.runs)


def _status(count: int, bench: Bench, case: str) -> Iterator[Result]:
    """The board of a history that went through the flow, against the one line of `alembic current`."""
    folder = bench.space.folder / case / "project"
    job = Job(bench.space, folder, SqliteTarget(), history(count))
    ours.OURS.write(job)
    bench.space.run(ours.OURS.apply(job), folder)
    yield _readers(bench, case, folder, ["migrate-flow", "status"], ["alembic", "current"])


def _long_status(count: int, bench: Bench, case: str) -> Iterator[Result]:
    """The board of a history that was reviewed, approved and applied in three environments, ten entries a revision."""
    folder = bench.space.folder / case / "project"
    folder.mkdir(parents=True)
    long_project.build(folder, count, bench.space.environ)
    yield _readers(bench, case, folder, ["migrate-flow", "status"], ["alembic", "current"])


def _rehearse_all(count: int, bench: Bench, case: str) -> Iterator[Result]:
    """Up, down and up again of every revision, the whole command, against plain Alembic in one process."""
    template = bench.space.folder / case / "template"
    rehearse.project(template, count)

    def side(name: str, words: Sequence[str], environ: Mapping[str, str]) -> Contender:
        folder = template.with_name(name)
        return Contender(name, words, folder, environ, partial(_restore, bench.space, template, folder, SqliteTarget()))

    words = ["migrate-flow", "rehearse", "--all", "--processes", "1"]
    us = side(ours.OURS.name, words, {"XDG_CACHE_HOME": str(template.with_name("cache"))})
    plain = [sys.executable, "-m", "benchmarks.stepwise"]
    them = side("alembic", plain, {"PYTHONPATH": str(Path(__file__).parents[1])})
    yield compare(bench.space, case, us, them, bench.runs)


def _startup(option: str, bench: Bench, case: str) -> Iterator[Result]:
    yield _readers(bench, case, bench.space.folder, ["migrate-flow", option], ["alembic", option])


def _typer(bench: Bench, case: str) -> Iterator[Result]:
    """Our help against nothing but the import of the library that prints it."""
    folder = bench.space.folder
    us = Contender(ours.OURS.name, ["migrate-flow", "--help"], folder)
    yield compare(
        bench.space, case, us, Contender("import typer", [sys.executable, "-c", "import typer"], folder), bench.runs
    )


def _readers(bench: Bench, case: str, folder: Path, our_words: Sequence[str], their_words: Sequence[str]) -> Result:
    us, them = Contender(ours.OURS.name, our_words, folder), Contender("alembic", their_words, folder)
    return compare(bench.space, case, us, them, bench.runs)


def _target(kind: str, bench: Bench, peer: Peer) -> Target:
    if kind == "sqlite":
        return SqliteTarget()
    assert bench.server is not None
    return PostgresTarget(bench.server, f"bench_{peer.name.replace('-', '_')}")


def _restore(space: Workspace, template: Path, folder: Path, target: Target) -> None:
    """Always the same paths and the same times of change, so that byte code of the scripts stays good.

    A ledger that is put back to an earlier state is an alarm, so what was seen of it goes too.
    """
    shutil.rmtree(space.folder / STATE, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, folder)
    target.empty()


def cases(short: bool) -> list[Case]:
    few = 50 if short else 200
    made = [
        Case("apply-sqlite", f"{few} from zero, SQLite", 5, partial(_apply_all, "sqlite", few)),
        Case(
            "apply-postgresql",
            f"{few} from zero, PostgreSQL",
            5,
            partial(_apply_all, "postgresql", few),
            True,
        ),
    ]
    fewer = 5 if short else 20
    title = f"{fewer} from zero, PostgreSQL {FAR_S * 1000:.0f} ms away"
    made.append(Case("apply-far", title, 5, partial(_far_away, fewer), True))
    for count in (1000,) if short else (500, 1000, 5000):
        made.append(Case(f"one-of-{count}", f"1 pending of {count}, SQLite", 7, partial(_one_pending, count)))
    for count in () if short else (500, 5000):
        made.append(Case(f"plan-{count}", f"plan of {PENDING} of {count}, SQLite", 7, partial(_plan, count, PENDING)))
    for count in (100,) if short else (100, 1000):
        made.append(Case(f"status-{count}", f"status at {count}, SQLite", 7, partial(_status, count)))
    for count in (100,) if short else (100, 1000, 5000):
        title = f"status at {count}, all of it in production"
        made.append(Case(f"long-status-{count}", title, 7, partial(_long_status, count)))
    many = 30 if short else 200
    made.append(Case(f"rehearse-{many}", f"{many} rehearsed, SQLite", 3, partial(_rehearse_all, many)))
    for option in ("version", "help"):
        made.append(Case(option, f"--{option}", 15, partial(_startup, f"--{option}")))
    made.append(Case("typer", "--help beside Typer", 15, _typer))
    return made
