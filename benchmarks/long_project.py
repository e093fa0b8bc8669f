"""A project of any length under the flow, as a team has it after years: every revision was tracked, self-reviewed,
reviewed, approved and applied in three environments, ten entries each, really signed with the project's own keys.

`init` is the product's own; what follows is written in bulk, with its encoder, its digests and its chain.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.inputs import alembic_project, history
from migrate_flow.alembic_adapter.checkout import Checkout
from migrate_flow.bootstrap.project import checkout, load_config
from migrate_flow.core.chain import Head
from migrate_flow.core.entry import Draft, Entry, Kind, format_time, project, statement
from migrate_flow.core.evidence import ancestry
from migrate_flow.ledger.store import open_store
from migrate_flow.services.content import describe, subjects
from migrate_flow.signing.key_files import project_keys_dir
from migrate_flow.signing.private_key import parse_private
from migrate_flow.signing.sshsig import sign

ADA, BOB, CARLA = (f"{name}@example.com" for name in ("ada", "bob", "carla"))
PEOPLE = {ADA: "developer,policy-admin", BOB: "developer", CARLA: "backend-lead"}
ENVIRONMENTS = ("dev", "staging", "production")
MIGRATE_FLOW, ALEMBIC = (sys.executable, "-m", "migrate_flow"), (sys.executable, "-m", "alembic")


@dataclass
class Hand:
    """Signs one entry after the other. contents: the artifacts of those not yet written."""

    keys: Mapping[str, Ed25519PrivateKey]
    ledger: str
    policy: str
    head: Head
    now: datetime = datetime(2020, 1, 6, 9, 0, tzinfo=UTC)
    contents: list[bytes] = field(default_factory=list)

    def write(self, actor: str, draft: Draft) -> Entry:
        self.now += timedelta(minutes=7)
        signed = statement(
            draft,
            ledger=self.ledger,
            nonce=str(uuid5(NAMESPACE_URL, f"{self.ledger} {self.head.seq}")),
            at=format_time(self.now),
            actor=actor,
            after=self.head,
            policy=self.policy,
        )
        entry = project(self.head.seq + 1, self.head.hash, signed, sign(self.keys[actor], signed))
        self.head = entry.head
        self.contents += draft.artifacts
        return entry


def build(folder: Path, count: int, environ: Mapping[str, str] | None = None, *, pending: int = 0) -> None:
    """A project of so many revisions in a new folder, its ledger in a file, its databases not there but for dev.db,
    which stands at the newest revision that went through, for `alembic current`. environ: of the commands that it
    takes. pending: so many of the newest are scripts of which nobody has said anything yet."""
    changes = history(count)
    alembic_project(folder, changes, "sqlite:///dev.db")
    environments = [word for name in ENVIRONMENTS for word in ("--env", f"{name}=sqlite:///{name}.db")]
    people = [word for name, roles in PEOPLE.items() for word in ("--person", f"{name}={roles}")]
    _run([*MIGRATE_FLOW, "init", "--key-store", "project", *environments, *people], folder, environ)
    passed = changes[: len(changes) - pending]
    _run([*ALEMBIC, "stamp", passed[-1].revision], folder, environ)
    config = load_config(folder / "migrate-flow.toml")
    store = open_store(config.ledger.url, folder)
    (genesis,) = store.entries()
    keys = project_keys_dir(folder)
    hand = Hand(
        {name: parse_private((keys / name).read_text(), name) for name in PEOPLE},
        genesis.predicate["ledger"],
        genesis.predicate["policy"],
        genesis.head,
    )
    scripts = checkout(config)
    stream = (entry for change in passed for entry in _passed(hand, scripts, change.revision, change.parent))
    with store.write() as transaction:
        while batch := list(islice(stream, 1000)):
            transaction.add_entries(batch)
            transaction.add_artifacts((hashlib.sha256(content).hexdigest(), content) for content in hand.contents)
            hand.contents.clear()


def before_production(folder: Path, count: int, pending: int, environ: Mapping[str, str] | None = None) -> str:
    """The same, and the newest ones come up to production by the product's own commands: rehearsed, self-reviewed,
    reviewed, approved, and applied in the environments before it, each in a database that is there. Returns the newest
    revision that stands in production."""
    build(folder, count, environ, pending=pending)
    *stood, below = history(count - pending)
    revisions = [change.revision for change in history(count)[len(stood) + 1 :]]

    def ours(actor: str, *words: str) -> None:
        _run([*MIGRATE_FLOW, "--as", actor, *words], folder, environ)

    for name in ENVIRONMENTS[1:]:
        shutil.copyfile(folder / f"{ENVIRONMENTS[0]}.db", folder / f"{name}.db")
    for name in ENVIRONMENTS:
        ours(ADA, "adopt", "--env", name, "--new-target", "-m", "the benchmark made it")
    ours(ADA, "track")
    ours(ADA, "check", "--record", *revisions)
    for revision in revisions:
        ours(ADA, "self-review", revision)
        ours(BOB, "review", revision, "--approve")
        ours(CARLA, "approve", revision)
    for name in ENVIRONMENTS[:-1]:
        ours(ADA, "apply", "--env", name)
    return below.revision


def _passed(hand: Hand, scripts: Checkout, revision: str, parent: str | None) -> Iterator[Entry]:
    """All that is said of one revision on its way."""
    manifest = scripts.manifest(revision)
    content = describe(scripts.revisions[revision], manifest)
    files, said = subjects(manifest), {"revision": revision, "manifest": manifest.digest}
    scripted = [file.content for file in manifest.files]
    named = {"contributors": [ADA], "git": {"authors": [], "co_authors": []}}
    yield hand.write(ADA, Draft(Kind.MIGRATION_CREATED, files, {**content, **named, "via": "track"}, scripted))
    sql = {"sqlite": {"upgrade": manifest.digest, "downgrade": manifest.digest}}
    checked = {"lint": {"rule_set": "1:aaaa", "errors": 0, "warnings": 0, "waived": 0}, "rehearsals": [_rehearsal()]}
    reviewed = {**content, **named, **checked, "sql": sql, "environment_digests": {"env.py": manifest.digest}}
    yield hand.write(ADA, Draft(Kind.SELF_REVIEWED, files, reviewed, scripted))
    yield hand.write(BOB, Draft(Kind.REVIEWED, files, {**said, "verdict": "approve", "comment": "reads well"}))
    yield hand.write(CARLA, Draft(Kind.APPROVED, files, {**said, "role": "backend-lead"}))
    for name in ENVIRONMENTS:
        target = str(uuid5(NAMESPACE_URL, f"{hand.ledger} {name}"))
        run = {"attempt": f"{name}-{revision}", "target": target, "environment": name, "direction": "upgrade"}
        before = {"from_heads": [parent] if parent else [], "gates": ["approved", "peer-reviewed", "rehearsed"]}
        yield hand.write(ADA, Draft(Kind.APPLY_INTENDED, files, {**run, **content, **before}))
        yield hand.write(ADA, Draft(Kind.APPLY_APPLIED, files, {**run, **said, "heads": [revision]}))


def _rehearsal() -> dict[str, Any]:
    server = {"dialect": "sqlite", "server": "SQLite 3.40.1", "ancestry": ancestry({})}
    return {**server, "grade": "lossless", "upgrade": True}


def _run(words: Sequence[str], folder: Path, environ: Mapping[str, str] | None) -> None:
    subprocess.run(words, cwd=folder, env=dict(environ or os.environ), check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.long_project", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int)
    given = parser.parse_args()
    build(given.folder.absolute(), given.count)


if __name__ == "__main__":
    main()
