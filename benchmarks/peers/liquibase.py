"""Liquibase: one changelog in formatted SQL, with one changeset for each change."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.inputs import Change, sql
from benchmarks.measure import CommandFailed, Workspace
from benchmarks.peers.peer import Job, Peer
from benchmarks.targets import FILE, PostgresTarget, Target

CHANGELOG = "changelog.sql"
# The SQLite driver in the npm package wants it, and the package does not have it.
LOGGING = Path("/usr/share/java/slf4j-api.jar")


def _version(space: Workspace) -> str:
    if not LOGGING.exists():
        raise CommandFailed(str(LOGGING))
    said = space.run(["liquibase", "--version"], space.folder)
    found = re.search(r"Liquibase Version: (\S+)", said)
    return found.group(1) if found else "unknown"


def _changeset(change: Change) -> str:
    down = "".join(f"--rollback {statement};\n" for statement in change.down)
    return f"\n--changeset ada@example.com:{change.number}\n--comment: {change.message}\n{sql(change.up)}{down}"


def _write(job: Job) -> None:
    job.folder.mkdir(parents=True)
    text = "--liquibase formatted sql\n" + "".join(map(_changeset, job.changes))
    (job.folder / CHANGELOG).write_text(text)


def _apply(job: Job) -> Sequence[str]:
    return ["liquibase", "--show-banner=false", "update", f"--changelog-file={CHANGELOG}", f"--url={_url(job.target)}"]


def _url(target: Target) -> str:
    if isinstance(target, PostgresTarget):
        return f"jdbc:postgresql://127.0.0.1:{target.server.port}/{target.database}"
    return f"jdbc:sqlite:{FILE}"


def _environ(target: Target) -> Mapping[str, str]:
    if isinstance(target, PostgresTarget):
        return {"LIQUIBASE_COMMAND_USERNAME": "postgres", "LIQUIBASE_COMMAND_PASSWORD": target.server.password}
    return {"JAVA_OPTS": f"-Xbootclasspath/a:{LOGGING}"}


PEER = Peer(
    "liquibase",
    "apt-get install default-jre-headless libslf4j-java && npm install --prefix PEERS liquibase@4.28.1",
    ["liquibase", "java"],
    _version,
    _write,
    _apply,
    _environ,
)
