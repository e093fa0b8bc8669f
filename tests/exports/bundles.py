"""An export out of a real ledger in SQLite with a dozen entries of many kinds, and what somebody does to its files."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migrate_flow import __version__
from migrate_flow.core.audit import Change, Header, Selection
from migrate_flow.core.audit_notes import Watch
from migrate_flow.core.audit_rows import changes
from migrate_flow.core.brought import brought
from migrate_flow.core.entry import Entry, Kind
from migrate_flow.core.lifecycle import fold
from migrate_flow.exports import bundle, jsonl
from migrate_flow.exports.reader import opened
from migrate_flow.ledger.store import LedgerStore, create_store
from migrate_flow.services.allowed_signers import Person, keys_by_person
from migrate_flow.services.file_evidence import FileReport
from migrate_flow.services.survey import matcher
from migrate_flow.services.told import reader
from migrate_flow.services.verify_chunk import COLUMNS
from migrate_flow.services.verify_file import verify_file
from migrate_flow.signing.sshsig import public_key_of
from tests.services.ledgers import Signatures
from tests.support.builders import ADA, BOB, CY, DAN, EVE, LEDGER, TEAM, Scribe, digest, policy_document, public_key

Files = dict[str, bytes]
SCRIPT = b'"""create table customer: SHOP-7"""'
SQL = b"CREATE TABLE customer (id INTEGER)"
MANIFEST = digest(SCRIPT.decode())
REVISION = "3f2a9c01d4e5"
EVERYTHING = Selection()


def written(folder: Path) -> Scribe:
    """Entries 1 to 13: a policy, a migration up to staging, another policy, its newcomer's review, a revoked key."""
    folder.mkdir(parents=True, exist_ok=True)
    scribe = Scribe(create_store("sqlite:///ledger.db", folder))
    files = {"revision": REVISION, "manifest": MANIFEST}
    rendered = {"sqlite": {"upgrade": f"sha256:{hashlib.sha256(SQL).hexdigest()}"}}
    scribe.opens()
    scribe.created(**files, artifacts=[SCRIPT], message="grüße, \u5e83 and \U0001f600")
    scribe.self_reviewed(**files, artifacts=[SQL], sql=rendered)
    scribe.reviewed(BOB, "request-changes", **files, comment='which lock?\nand "why"')
    scribe.reviewed(BOB, **files)
    scribe.approved(CY, **files)
    for env in ("dev", "staging"):
        scribe.intends(env=env, attempt=env, **files)
        scribe.ends(Kind.APPLY_APPLIED, env=env, attempt=env, **files, heads=[REVISION])
    scribe.proposes(policy_document({**TEAM, EVE: ("developer",)}))
    scribe.reviewed(EVE, **files, comment="late")
    scribe.says(ADA, Kind.KEY_REVOKED, public_key=public_key(DAN), comment="lost")
    return scribe


@dataclass(frozen=True)
class Sample:
    """Implements `exports.Exported`, of the entries that are selected."""

    scribe: Scribe
    selection: Selection = EVERYTHING
    environments: tuple[str, ...] = ("dev", "staging", "production")

    @property
    def store(self) -> LedgerStore:
        assert self.scribe.store is not None
        return self.scribe.store

    @property
    def header(self) -> Header:
        found, last = list(self.entries()), self.scribe.head
        there = {entry.seq for entry in found}
        gaps: list[tuple[int, int]] = []
        for seq in range(1, last.seq + 1):
            if seq not in there:
                gaps.append((gaps.pop()[0], seq) if gaps and gaps[-1][1] == seq - 1 else (seq, seq))
        return Header(
            product=f"migrate-flow {__version__}",
            project=self.scribe.entries[0].predicate["project"],
            ledger=LEDGER,
            genesis=f"sha256:{self.scribe.entries[0].hash}",
            by=ADA,
            at=self.scribe.entries[-1].at,
            as_of=last.seq,
            head=f"sha256:{last.hash}",
            selection=self.selection,
            first=found[0].seq if found else 0,
            last=found[-1].seq if found else 0,
            entries=len(found),
            counts=dict(sorted(Counter(str(entry.kind) for entry in found).items())),
            left_out=last.seq - len(found),
            gaps=tuple(gaps),
        )

    def changes(self) -> Iterator[Change]:
        watch = Watch(public_key_of)
        for entry in self.scribe.entries:
            watch.take(entry)
        return changes(watch, reader(self.artifact, "SHOP-[0-9]+"))

    def entries(self) -> Iterator[Entry]:
        wanted = matcher(self.selection)
        return (entry for entry in self.store.entries() if wanted([getattr(entry, name) for name in COLUMNS]))

    def skeleton(self) -> Iterator[tuple[int, str, str, str]]:
        for entry in self.store.entries():
            halves = hashlib.sha256(entry.statement), hashlib.sha256(entry.signature.encode())
            yield entry.seq, halves[0].hexdigest(), halves[1].hexdigest(), entry.hash

    def artifact(self, sha256: str) -> bytes | None:
        return self.store.artifact(sha256)

    def artifacts_of(self) -> Iterator[str]:
        return iter(sorted({name for entry in self.entries() for name in brought(entry.document)}))

    def policies(self) -> Iterator[tuple[int, str, dict[str, Any]]]:
        for version in self._history.policies:
            yield version.seq, version.policy.digest[7:], dict(version.policy.document)

    def people(self) -> Mapping[str, Person]:
        revoked = {key: item.seq for key, item in self._history.revoked.items()}
        return keys_by_person(((version.seq, version.policy) for version in self._history.policies), revoked)

    @property
    def _history(self) -> Any:
        return fold(self.scribe.entries, public_key_of)


def bundled(sample: Sample) -> bytes:
    out = io.BytesIO()
    bundle.write(sample, out)
    return out.getvalue()


def lines(sample: Sample) -> bytes:
    out = io.BytesIO()
    jsonl.write(sample, out)
    return out.getvalue()


def unzipped(data: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def repacked(files: Files) -> bytes:
    """By another program, which packs, and writes folders."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("entries/", b"")
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def summed(files: Files) -> Files:
    """With SHA256SUMS written anew, as whoever changes files on purpose does."""
    others = (name for name in files if name != "SHA256SUMS")
    named = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in others)
    return {**files, "SHA256SUMS": named.encode()}


def check(path: Path, data: bytes, **how: Any) -> FileReport:
    path.write_bytes(data)
    with opened(path) as evidence:
        return verify_file(evidence, Signatures(), **how)


def put(files: Files, folder: Path) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def by_script(files: Files, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """What the bundle's own verify.py says, in a folder with nothing else."""
    put(files, folder)
    return subprocess.run(
        [sys.executable, "-I", "-S", str(folder / "verify.py"), *words],
        capture_output=True, text=True, check=False, timeout=120, env={"PATH": "/usr/bin:/bin"}, cwd="/",
    )  # fmt: skip
