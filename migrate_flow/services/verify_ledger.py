"""Proves the ledger from its stored bytes: chain, signatures, authority, nonces, links, form, columns, artifacts.

The rows are read once, in order, and never held all at once. What a row shows by itself is judged on all cores
(`verify_chunk`, `verify_processes`), what depends on the entries before it here, meanwhile.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from migrate_flow.core import canonical
from migrate_flow.core.brought import brought
from migrate_flow.core.chain import EMPTY, Head
from migrate_flow.core.entry import Entry, project
from migrate_flow.core.history import History
from migrate_flow.core.lifecycle import add, follows
from migrate_flow.errors import UsageError
from migrate_flow.services.verify_chunk import Judged, Row, as_bytes, as_text, chunks, rare_collections
from migrate_flow.services.verify_processes import judged

if TYPE_CHECKING:
    from migrate_flow.services.ports import Ledger, Verifier

SINCE = "--since"
_SINCE = re.compile(r"([1-9][0-9]{0,18}):(?:sha256:)?([0-9a-f]{64})")
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True, slots=True)
class Problem:
    """seq: 0 for what is no entry's."""

    seq: int
    problem: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A head that somebody saw. where: who or what says so, as a person would name it."""

    where: str
    head: Head


@dataclass(frozen=True, slots=True)
class Verified:
    """policies: how many were in force, one after the other. seen: the heads that the ledger was held against. latest:
    the latest time that an entry says."""

    entries: int
    head: Head
    problems: tuple[Problem, ...]
    genesis: str = ""
    ledger: str = ""
    policies: int = 0
    seen: tuple[Seen, ...] = ()
    latest: datetime | None = field(default=None, compare=False)

    @property
    def ok(self) -> bool:
        return not self.problems


def parse_head(text: str) -> Head:
    """``SEQ:HASH`` or ``SEQ:sha256:HASH``, as exports and `ledger verify` print it. Raises UsageError."""
    match = _SINCE.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"{text!r} names no entry with its hash",
            hint="migrate-flow ledger verify --since SEQ:sha256:HASH, as an export or an earlier verification shows it",
            where=SINCE,
        )
    return Head(int(match[1]), match[2])


def verify(
    ledger: Ledger,
    verifier: Verifier,
    *,
    ledger_id: str = "",
    genesis: str = "",
    seen: Sequence[Seen] = (),
    since: Head | None = None,
    processes: int = 0,
    stored: bool = True,
) -> Verified:
    """ledger_id, genesis: the trust anchor of the configuration. since: a head that an auditor names. processes: 0 for
    all cores. stored: artifacts are kept there, so none may be missing. Raises LedgerError only where the ledger can't
    be read."""
    check = _Check(verifier)
    problems: list[Problem] = []
    verdicts = judged(chunks(ledger.raw_rows()), verifier.verify, processes, ledger.describe())
    with rare_collections(), closing(verdicts) as rows:
        for row, shown in rows:
            problems += check.row(row, shown)
    if not check.count:
        problems.append(Problem(0, "the ledger is empty"))
    problems += check.artifacts(ledger) if stored else ()
    history, head = check.history, Head(check.seq, check.hash)
    if ledger_id and ledger_id != history.ledger:
        problems.append(Problem(1, f"this is ledger {history.ledger or '?'}, the configuration names {ledger_id}"))
    if genesis and genesis != f"sha256:{history.genesis}":
        problems.append(Problem(1, f"the first entry is not the genesis that the configuration names ({genesis})"))
    looked = (*seen, *([Seen(SINCE, since)] if since else []))
    problems += check.heads(looked)
    return Verified(
        check.count,
        head,
        tuple(problems),
        history.genesis,
        history.ledger,
        len(history.policies),
        looked,
        history.last_at,
    )


class _Check:
    """What is known of the entries so far. seq, hash: of the newest one, as it is stored."""

    def __init__(self, verifier: Verifier) -> None:
        self.history = History(lean=True)
        self.seq, self.hash = EMPTY.seq, EMPTY.hash
        self.count = 0
        self._verifier = verifier
        self._stored: dict[str, int] = {}  # digest of an artifact that must be there -> the first entry that brought it

    def row(self, row: Row, shown: Judged) -> list[Problem]:
        expected, stored = self.seq + 1, as_text(row[2])
        found: list[str] = []
        seq = row[0]
        if type(seq) is not int:
            seq = expected
            found.append("column seq does not hold a number")
        if seq != expected:
            found.append(f"entry {expected} is missing")
        if row[1] != self.hash:
            found.append("it does not continue the chain")
        found += shown.problems
        try:
            entry = _entry(seq, row, stored, shown)
        except _UNREADABLE as error:
            if not shown.problems:
                found.append(f"it can't be understood: {error}")
        else:
            self._links(entry, found)
            self._authority(entry, shown.key, found)
            self._bring(entry)
        if self.history.seq != seq or self.history.hash != stored:  # it was not taken in
            self.history.hashes[seq] = stored
        self.count += 1
        self.seq, self.hash = seq, stored
        return [Problem(seq, text) for text in found]

    def _links(self, entry: Entry, found: list[str]) -> None:
        nonce = entry.predicate.get("nonce")
        if not isinstance(nonce, str):
            found.append("it has no nonce")
        elif nonce in self.history.nonces:
            found.append("its nonce is that of an earlier entry")
        if not follows(self.history, entry.predicate.get("after")):
            found.append("it claims to follow an entry that this ledger does not hold")

    def _authority(self, entry: Entry, key: str, found: list[str]) -> None:
        flawed = self.history.flawed
        before = len(flawed)
        try:
            add(self.history, entry, (lambda _signature: key) if key else self._verifier.key_of)
        except _UNREADABLE as error:
            found.append(f"it can't be understood: {error}")
            return
        for said in flawed[before:]:
            if said.seq == entry.seq:  # an earlier one that is undone now did count when it was made
                found.append(f"it does not count: {said.flaw}")

    def _bring(self, entry: Entry) -> None:
        """Note what must be among the artifacts."""
        for digest in brought(entry.document):
            self._stored.setdefault(digest, entry.seq)

    def artifacts(self, ledger: Ledger) -> Iterator[Problem]:
        """Every artifact against its digest, and that nothing is gone that an entry brought."""
        missing = dict(self._stored)
        for digest, content in ledger.artifacts():
            seq = missing.pop(digest, 0)
            if type(digest) is not str or type(content) is not bytes:
                yield Problem(seq, f"artifact {as_text(digest)[:12]}… is not stored as text and bytes")
            elif hashlib.sha256(content).hexdigest() != digest:
                yield Problem(seq, f"artifact {digest[:12]}… has other bytes")
        for digest, seq in missing.items():
            yield Problem(seq, f"artifact {digest[:12]}… is gone")

    def heads(self, seen: Sequence[Seen]) -> Iterator[Problem]:
        for one in seen:
            seq, held = one.head.seq, self.history.hashes.get(one.head.seq)
            if held != one.head.hash:
                here = f"it is sha256:{held}" if held else "there is none"
                yield Problem(
                    seq,
                    f"when it was last seen ({one.where}), this entry was sha256:{one.head.hash}; here {here}: "
                    "the ledger was restored, cut off or replaced",
                )


def _entry(seq: int, row: Row, stored: str, shown: Judged) -> Entry:
    """With the stored hash: an entry that was tampered with is one problem, not one in each that follows."""
    statement = as_bytes(row[3])
    document = shown.document
    if document is None:
        # What another process found to be without fault has one reading only.
        document = canonical.loads(statement) if shown.problems else canonical.known(statement)
    return project(seq, as_text(row[1]), statement, as_text(row[4]), document=document, stored=stored)
