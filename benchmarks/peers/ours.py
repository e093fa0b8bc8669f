"""migrate-flow: an environment without upstream, which needs only that each revision was recorded as created."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.inputs import alembic_project
from benchmarks.measure import Workspace
from benchmarks.peers.peer import Job, Peer

ADMIN, DEVELOPER = "carla@example.com", "ada@example.com"


def _version(space: Workspace) -> str:
    return space.run(["migrate-flow", "--version"], space.folder).split()[-1]


def govern(job: Job) -> None:
    """Put the Alembic project in the folder under the flow."""
    people = [f"{ADMIN}=backend-lead,policy-admin", f"{DEVELOPER}=developer"]
    words = ["migrate-flow", "init", "--key-store", "project", "--env", f"dev={job.target.url}"]
    job.space.run([*words, *(word for person in people for word in ("--person", person))], job.folder)


def track(job: Job) -> None:
    job.space.run(["migrate-flow", "--as", DEVELOPER, "track"], job.folder)


def _write(job: Job) -> None:
    alembic_project(job.folder, job.changes, job.target.url)
    govern(job)
    track(job)


def _apply(job: Job) -> Sequence[str]:
    return ["migrate-flow", "--as", DEVELOPER, "apply", "--env", "dev"]


OURS = Peer("migrate-flow", "uv sync", ["migrate-flow"], _version, _write, _apply)
