"""Sqitch: a plan and one deploy script for each change, run by the database's own client program."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.inputs import sql
from benchmarks.measure import Workspace
from benchmarks.peers.peer import Job, Peer
from benchmarks.targets import FILE, PostgresTarget

PLAN = "%syntax-version=1.0.0\n%project=bench\n\n"
SETTINGS = """[core]
    engine = {engine}
[user]
    name = Ada
    email = ada@example.com
[engine "{engine}"]
    target = {target}
    client = {client}
"""


def _version(space: Workspace) -> str:
    # Asked of the drivers too: they are packages of their own, and without one only its database would fail.
    space.run(["perl", "-MDBD::Pg", "-MDBD::SQLite", "-e", "1"], space.folder)
    return space.run(["sqitch", "--version"], space.folder).split()[-1].removeprefix("v")


def _write(job: Job) -> None:
    plan = [PLAN]
    for folder in ("deploy", "revert"):
        (job.folder / folder).mkdir(parents=True)
    for change in job.changes:
        plan.append(f"{change.table} 2026-01-01T00:00:00Z Ada <ada@example.com> # {change.message}\n")
        for folder, statements in (("deploy", change.up), ("revert", change.down)):
            path = job.folder / folder / f"{change.table}.sql"
            path.write_text(f"-- {change.message}\nBEGIN;\n{sql(statements)}COMMIT;\n")
    (job.folder / "sqitch.plan").write_text("".join(plan))
    (job.folder / "sqitch.conf").write_text(_settings(job))


def _settings(job: Job) -> str:
    if isinstance(job.target, PostgresTarget):
        # The server's own psql: Debian's is a Perl program that looks for the right psql, at each of the changes.
        client = job.target.server.running.programs / "psql"
        target = job.target.server.url("db:pg", job.target.database)
        return SETTINGS.format(engine="pg", target=f'"{target}"', client=client)
    return SETTINGS.format(engine="sqlite", target=f"db:sqlite:{FILE}", client="sqlite3")


def _apply(job: Job) -> Sequence[str]:
    return ["sqitch", "deploy"]


PEER = Peer(
    "sqitch",
    "apt-get install sqitch libdbd-pg-perl libdbd-sqlite3-perl sqlite3",
    ["sqitch", "sqlite3", "perl"],
    _version,
    _write,
    _apply,
)
