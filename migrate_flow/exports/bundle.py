"""The bundle: a zip that proves itself with `sha256sum`, `ssh-keygen` and a script of the standard library.

Every byte that somebody signed is in it as it was signed; all else is derived from that, and can be derived again. The
same export gives the same bytes: nothing is compressed, the names are in order, the times are those of no clock.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict
from tempfile import SpooledTemporaryFile
from typing import IO, BinaryIO, cast

from migrate_flow import exports
from migrate_flow.core import canonical
from migrate_flow.core.audit import SCHEMA, Header
from migrate_flow.errors import LedgerError
from migrate_flow.exports import Exported
from migrate_flow.exports import bundle_names as names
from migrate_flow.exports.archive import ArchiveWriter
from migrate_flow.exports.bundle_readme import readme
from migrate_flow.services.allowed_signers import allowed_signers

_SPOOL = 4 << 20  # bytes held before a temporary file is used
_CHUNK = 1 << 20


def write(export: Exported, out: BinaryIO) -> None:
    """Raises LedgerError where an artifact is gone that an entry brought."""
    with closing(_Writer(out)) as bundle:
        bundle.add(names.README, readme(export.header).encode())
        bundle.add(names.SIGNERS, allowed_signers(export.people()).encode())
        for digest in export.artifacts_of():
            bundle.add(names.ARTIFACTS + digest, _artifact(export, digest))
        bundle.stream(names.CHAIN, _chain(export))
        with SpooledTemporaryFile(max_size=_SPOOL) as rows:
            exports.write(export, "csv", cast(BinaryIO, rows))
            rows.seek(0)
            bundle.stream(names.CHANGES, iter(lambda: rows.read(_CHUNK), b""))
        for entry in export.entries():
            statement, signature = names.entry(entry.seq)
            bundle.add(statement, entry.statement)
            bundle.add(signature, entry.signature.encode())
        bundle.add(names.HEADER, header_document(export.header))
        for seq, digest, document in export.policies():
            bundle.add(names.policy(seq, digest), canonical.dumps(document))
        bundle.add(names.VERIFIER, names.verifier())
        bundle.add_sums()


def header_document(header: Header) -> bytes:
    """As the first line of a jsonl, on more lines."""
    return (
        json.dumps({"schema": SCHEMA, "header": asdict(header)}, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    ).encode()


def _artifact(export: Exported, digest: str) -> bytes:
    content = export.artifact(digest)
    if content is None:
        raise LedgerError(f"artifact {digest[:12]}… is gone from the ledger", hint="migrate-flow ledger verify")
    return content


def _chain(export: Exported) -> Iterator[bytes]:
    yield f"{names.CHAIN_HEAD}\n".encode()
    for position in export.skeleton():
        yield ("\t".join(map(str, position)) + "\n").encode()


class _Writer:
    """Adds members, and notes the digest of each for SHA256SUMS."""

    def __init__(self, out: BinaryIO) -> None:
        self._zip = ArchiveWriter(out)
        self._sums: IO[bytes] = SpooledTemporaryFile(max_size=_SPOOL)  # noqa: SIM115 - `close` closes it

    def add(self, name: str, data: bytes) -> None:
        self._zip.add(name, data)
        self._sum(name, hashlib.sha256(data).hexdigest())

    def stream(self, name: str, parts: Iterable[bytes]) -> None:
        """Twice through a temporary file: what a zip says of a member stands before it."""
        digest, crc, size = hashlib.sha256(), 0, 0
        with SpooledTemporaryFile(max_size=_SPOOL) as spool:
            for part in parts:
                spool.write(part)
                digest.update(part)
                crc, size = zlib.crc32(part, crc), size + len(part)
            spool.seek(0)
            self._zip.stream(name, size, crc, iter(lambda: spool.read(_CHUNK), b""))
        self._sum(name, digest.hexdigest())

    def add_sums(self) -> None:
        sums, self._sums = self._sums, SpooledTemporaryFile(max_size=_SPOOL)  # noqa: SIM115 - as above
        with sums:
            sums.seek(0)
            self.stream(names.SUMS, iter(lambda: sums.read(_CHUNK), b""))
        self._zip.close()

    def close(self) -> None:
        self._sums.close()

    def _sum(self, name: str, digest: str) -> None:
        self._sums.write(f"{digest}  {name}\n".encode())
