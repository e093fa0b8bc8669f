"""A long ledger with real signatures, as a team has it after years: every migration went all the way to production."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from migrate_flow.core import canonical
from migrate_flow.core.chain import EMPTY, Head
from migrate_flow.core.entry import Draft, Entry, Kind, Subject, format_time, project, statement
from migrate_flow.core.revision import manifest_digest
from migrate_flow.ledger.store import locate
from migrate_flow.signing.private_key import public_text
from migrate_flow.signing.sshsig import sign

ADA, BOB, CY = (f"{name}@example.com" for name in ("ada", "bob", "cy"))
ROLES = {ADA: ["developer", "policy-admin"], BOB: ["developer"], CY: ["backend-lead"]}
ENVIRONMENTS = ("dev", "staging", "production")
KEYS = {name: Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest()) for name in ROLES}
SCRIPT = '"""revision {revision}"""\n' + "# what a migration of some length holds\n" * 40


def policy() -> dict[str, Any]:
    return {
        "v": 1,
        "people": {
            name: {"roles": roles, "keys": [public_text(KEYS[name])], "aliases": []} for name, roles in ROLES.items()
        },
        "policy": {
            "separation": "strict",
            "peer_reviews": 1,
            "approvals": {"backend-lead": 1},
            "approval_expires": None,
            "escalations": [],
            "review_roles": ["developer"],
            "admins": 1,
            "allow_irreversible": False,
            "unknown_authors": "warn",
        },
        "lint": {"contract_tables": [], "severity": {}, "plugins": [], "drift_ignore": []},
        "environments": [
            {
                "name": name,
                "dialect": "postgresql",
                "requires": "approved" if upstream else "created",
                "upstream": upstream,
                "apply_roles": [],
                "confirm": False,
                "soak": None,
                "windows": [],
                "personal": False,
            }
            for name, upstream in (("dev", []), ("staging", ["dev"]), ("production", ["staging"]))
        ],
    }


@dataclass
class Pen:
    """Signs one entry after the other. stored: the artifacts of those not yet written."""

    policy: str
    head: Head = EMPTY
    now: datetime = datetime(2020, 1, 6, 9, 0, tzinfo=UTC)
    stored: list[bytes] = field(default_factory=list)

    def write(self, actor: str, kind: Kind, subjects: Sequence[Subject], **fields: Any) -> Entry:
        self.now += timedelta(minutes=7)
        signed = statement(
            Draft(kind, subjects, fields),
            ledger=str(uuid5(NAMESPACE_URL, "ledger")),
            nonce=str(uuid5(NAMESPACE_URL, str(self.head.seq))),
            at=format_time(self.now),
            actor=actor,
            after=self.head,
            policy=self.policy,
        )
        entry = project(self.head.seq + 1, self.head.hash, signed, sign(KEYS[actor], signed))
        self.head = entry.head
        return entry


def entries(pen: Pen, document: dict[str, Any]) -> Iterator[Entry]:
    """Without end: the genesis, then ten for each migration."""
    opened = [Subject("policy", pen.policy.removeprefix("sha256:"))]
    yield pen.write(ADA, Kind.LEDGER_OPENED, opened, project="shop", number=1, document=document)
    for number in count(1):
        yield from _migration(pen, number)


def _migration(pen: Pen, number: int) -> Iterator[Entry]:
    revision, before = f"{number:012x}", f"{number - 1:012x}"
    script = SCRIPT.format(revision=revision).encode()
    files = [Subject(f"migrations/versions/{revision}_what_it_does.py", hashlib.sha256(script).hexdigest())]
    manifest = manifest_digest((file.name, file.sha256) for file in files)
    place = {"revision": revision, "down_revision": [before], "message": "what it does", "manifest": manifest}
    pen.stored.append(script)
    yield pen.write(ADA, Kind.MIGRATION_CREATED, files, **place, via="new")
    yield pen.write(ADA, Kind.SELF_REVIEWED, files, **place, behaviour=manifest)
    said = {"revision": revision, "manifest": manifest}
    yield pen.write(BOB, Kind.REVIEWED, files, **said, verdict="approve", comment="reads well, and locks little")
    yield pen.write(CY, Kind.APPROVED, files, **said, role="backend-lead")
    for name in ENVIRONMENTS:
        run = {"attempt": f"{name}-{revision}", "target": str(uuid5(NAMESPACE_URL, name)), "environment": name}
        run |= {"direction": "upgrade", **place}
        yield pen.write(ADA, Kind.APPLY_INTENDED, files, **run, from_heads=[before])
        yield pen.write(ADA, Kind.APPLY_APPLIED, files, **run, heads=[revision])


def build(path: Path, length: int) -> None:
    """A ledger of so many entries in a new file."""
    document = policy()
    pen = Pen(canonical.digest(document))
    stream = islice(entries(pen, document), length)

    def fill(transaction: Any) -> None:
        while batch := list(islice(stream, 1000)):
            transaction.add_entries(batch)
            transaction.add_artifacts((hashlib.sha256(content).hexdigest(), content) for content in pen.stored)
            pen.stored.clear()

    locate(f"sqlite:///{path.name}", path.parent).create(fill)
