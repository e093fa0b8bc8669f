"""yoyo: one SQL file for each change, and one for its rollback."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.inputs import sql
from benchmarks.measure import Workspace
from benchmarks.peers.peer import Job, Peer

VERSION = "from importlib.metadata import version; print(version('yoyo-migrations'))"


def _version(space: Workspace) -> str:
    program = space.find("yoyo")
    assert program is not None
    return space.run([str(program.with_name("python")), "-c", VERSION], space.folder).strip()


def _write(job: Job) -> None:
    folder = job.folder / "migrations"
    folder.mkdir(parents=True)
    before = ""
    for change in job.changes:
        name = f"{change.number:05}-create"
        depends = f"-- depends: {before}\n" if before else ""
        (folder / f"{name}.sql").write_text(f"-- {change.message}\n{depends}\n{sql(change.up)}")
        (folder / f"{name}.rollback.sql").write_text(sql(change.down))
        before = name


def _apply(job: Job) -> Sequence[str]:
    return ["yoyo", "apply", "--batch", "--no-config-file", "--database", job.target.url, "migrations"]


PEER = Peer(
    "yoyo",
    "python -m venv PEERS && PEERS/bin/pip install yoyo-migrations 'psycopg[binary]'",
    ["yoyo"],
    _version,
    _write,
    _apply,
)
