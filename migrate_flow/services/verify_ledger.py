"""Proves the ledger from its stored bytes: chain, signatures, authority, nonces, links, projections, artifacts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from migrate_flow.core.chain import ORIGIN, Head, link
from migrate_flow.core.entry import Entry, project
from migrate_flow.core.history import History
from migrate_flow.core.lifecycle import fold
from migrate_flow.services.ports import Ledger, Verifier


@dataclass(frozen=True, slots=True)
class Problem:
    """seq: 0 for what is no entry's."""

    seq: int
    problem: str


@dataclass(frozen=True, slots=True)
class Verified:
    entries: int
    head: Head
    problems: tuple[Problem, ...]
    genesis: str = ""
    ledger: str = ""

    @property
    def ok(self) -> bool:
        return not self.problems


def verify(ledger: Ledger, verifier: Verifier, *, ledger_id: str = "", genesis: str = "") -> Verified:
    """ledger_id, genesis: the trust anchor of the configuration. Raises LedgerError only where it can't be read."""
    check = _Check(ledger, verifier)
    problems = list(check.entries())
    problems += check.artifacts()
    history = check.history
    if ledger_id and ledger_id != history.ledger:
        problems.append(Problem(1, f"this is ledger {history.ledger or '?'}, the configuration names {ledger_id}"))
    if genesis and genesis != f"sha256:{history.genesis}":
        problems.append(Problem(1, f"the first entry is not the genesis that the configuration names ({genesis})"))
    return Verified(check.count, check.head, tuple(problems), history.genesis, history.ledger)


class _Check:
    def __init__(self, ledger: Ledger, verifier: Verifier) -> None:
        self._ledger, self._verifier = ledger, verifier
        self.history = History()
        self.head = Head(0, ORIGIN)
        self.count = 0
        self._nonces: dict[str, int] = {}
        self._hashes: dict[int, str] = {0: ORIGIN}
        self._subjects: dict[str, int] = {}

    def entries(self) -> Iterator[Problem]:
        prev, expected = ORIGIN, 1
        for row in self._ledger.raw_rows():
            seq = row["seq"]
            self.count += 1
            for text in self._row(row, expected, prev):
                yield Problem(seq, text)
            prev, expected = row["hash"], seq + 1
            self._hashes[seq] = prev
            self.head = Head(seq, prev)
        if not self.count:
            yield Problem(0, "the ledger is empty")

    def _row(self, row: dict[str, Any], expected: int, prev: str) -> Iterator[str]:
        statement, signature = bytes(row["statement"]), row["signature"]
        if row["seq"] != expected:
            yield f"entry {expected} is missing"
        if row["prev"] != prev:
            yield "it does not continue the chain"
        try:
            entry = project(row["seq"], row["prev"], statement, signature)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            yield f"the statement can't be read: {error}"
            return
        if link(row["prev"], statement, signature) != row["hash"]:
            yield "its hash is not that of its bytes"
        for name in ("kind", "revision", "environment", "actor", "at"):
            if row[name] != getattr(entry, name):
                yield f"column {name} is not what the statement says"
        yield from self._signature(entry)
        yield from self._links(entry)
        yield from self._authority(entry, row["hash"])

    def _signature(self, entry: Entry) -> Iterator[str]:
        try:
            self._verifier.verify(entry.statement, entry.signature)
        except ValueError as error:
            yield f"the signature is not valid: {error}"

    def _links(self, entry: Entry) -> Iterator[str]:
        predicate = entry.predicate
        nonce = str(predicate.get("nonce"))
        if nonce in self._nonces:
            yield f"its nonce is that of entry {self._nonces[nonce]}"
        self._nonces[nonce] = entry.seq
        after = predicate.get("after", {})
        known = self._hashes.get(after.get("seq", -1))
        if known is None or f"sha256:{known}" != after.get("hash") or after["seq"] >= entry.seq:
            yield "it claims to follow an entry that this ledger does not hold"
        for subject in entry.document.get("subject", []):
            if "/" in subject["name"] or subject["name"].endswith(".py"):
                self._subjects.setdefault(subject["digest"]["sha256"], entry.seq)

    def _authority(self, entry: Entry, stored: str) -> Iterator[str]:
        before = len(self.history.flawed)
        try:
            # With the stored hash: an entry that was tampered with is one problem, not one in each that follows.
            fold([replace(entry, hash=stored)], self._verifier.key_of, self.history)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            yield f"it can't be understood: {error}"
            return
        for said in self.history.flawed[before:]:
            yield f"it does not count: {said.flaw}"

    def artifacts(self) -> Iterator[Problem]:
        found = set()
        for digest, content in self._ledger.artifacts():
            found.add(digest)
            if hashlib.sha256(content).hexdigest() != digest:
                yield Problem(self._subjects.get(digest, 0), f"artifact {digest[:12]}… has other bytes")
        for digest, seq in self._subjects.items():
            if digest not in found:
                yield Problem(seq, f"artifact {digest[:12]}… is gone")
