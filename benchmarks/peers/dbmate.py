"""dbmate: one SQL file for each change, with both directions in it."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.inputs import sql
from benchmarks.measure import Workspace
from benchmarks.peers.peer import Job, Peer
from benchmarks.targets import FILE, PostgresTarget

FIRST = 20260101000000


def _version(space: Workspace) -> str:
    return space.run(["dbmate", "--version"], space.folder).split()[-1]


def _write(job: Job) -> None:
    folder = job.folder / "migrations"
    folder.mkdir(parents=True)
    for change in job.changes:
        text = f"-- migrate:up\n{sql(change.up)}\n-- migrate:down\n{sql(change.down)}"
        (folder / f"{FIRST + change.number}_create_{change.table}.sql").write_text(text)


def _apply(job: Job) -> Sequence[str]:
    url = f"sqlite:{FILE}"
    if isinstance(job.target, PostgresTarget):
        server = job.target.server
        url = f"postgres://postgres@/{job.target.database}?socket={server.running.folder}&port={server.port}"
    return ["dbmate", "--url", url, "--migrations-dir", "migrations", "--no-dump-schema", "migrate"]


PEER = Peer("dbmate", "npm install --prefix PEERS dbmate", ["dbmate"], _version, _write, _apply)
