"""The hash chain: hash(n) = sha256(hash(n-1) ‖ sha256(statement) ‖ sha256(signature)); hash(0) is 32 zero bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

ORIGIN = "0" * 64


@dataclass(frozen=True, slots=True)
class Head:
    """A position in the ledger. seq: 0 for an empty ledger. hash: 64 hex digits."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:sha256:{self.hash}"


@dataclass(frozen=True, slots=True)
class SeenHead:
    """A head that somebody saw. ledger: its id. where: who keeps it, for people. place: where the ledger lay then."""

    ledger: str
    head: Head
    where: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Signed:
    """What somebody signed, at its place in the chain, unread. actor: as the ledger's column has it."""

    seq: int
    hash: str
    actor: str
    statement: bytes
    signature: str


EMPTY = Head(0, ORIGIN)


def link(prev: str, statement: bytes, signature: str) -> str:
    """Hash (hex) of the entry that follows prev (hex). Raises ValueError for a prev in any other spelling."""
    before = bytes.fromhex(prev)
    if before.hex() != prev:
        raise ValueError("the hash of the entry before is not written in lower-case hex digits")
    signed = hashlib.sha256(signature.encode()).digest()
    return hashlib.sha256(before + hashlib.sha256(statement).digest() + signed).hexdigest()
