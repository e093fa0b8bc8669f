"""Bare Alembic on the same scripts and the same env.py as ours, with one transaction each."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.inputs import alembic_project
from benchmarks.measure import Workspace
from benchmarks.peers.peer import Job, Peer


def _version(space: Workspace) -> str:
    return space.run(["alembic", "--version"], space.folder).split()[-1]


def _write(job: Job) -> None:
    alembic_project(job.folder, job.changes, job.target.url)


def _apply(job: Job) -> Sequence[str]:
    return ["alembic", "upgrade", "head"]


PEER = Peer("alembic", "uv sync", ["alembic"], _version, _write, _apply)
