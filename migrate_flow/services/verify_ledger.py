"""Proves the ledger from its stored bytes: chain, signatures, authority, nonces, links, form, columns, artifacts.

The rows are read once, in order, and never held all at once. What a row shows by itself is judged on all cores
(`verify_chunk`, `verify_processes`), what depends on the entries before it here, meanwhile.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from sys import intern
from typing import Any

from migrate_flow.core import canonical
from migrate_flow.core.chain import EMPTY, Head
from migrate_flow.core.entry import Entry, Kind, project
from migrate_flow.core.history import History
from migrate_flow.core.lifecycle import fold
from migrate_flow.errors import UsageError
from migrate_flow.services.ports import Ledger, Verifier
from migrate_flow.services.verify_chunk import Judged, Row, as_bytes, as_text, chunks
from migrate_flow.services.verify_processes import judged

SINCE = "--since"
# The kinds whose entries bring the bytes of the files that they speak of.
_STORING = frozenset(
    {Kind.MIGRATION_CREATED, Kind.SELF_REVIEWED, Kind.APPLY_INTENDED, Kind.APPLY_REFUSED, Kind.TARGET_ADOPTED}
)
_FRAME = frozenset(("ledger", "nonce", "at", "actor", "after", "policy"))
_SINCE = re.compile(r"([1-9][0-9]{0,18}):(?:sha256:)?([0-9a-f]{64})")
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError)
_DECODER = json.JSONDecoder()  # for what was judged already, and found to have one spelling only


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
    """policies: how many were in force, one after the other. seen: the heads that the ledger was held against."""

    entries: int
    head: Head
    problems: tuple[Problem, ...]
    genesis: str = ""
    ledger: str = ""
    policies: int = 0
    seen: tuple[Seen, ...] = ()

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
) -> Verified:
    """ledger_id, genesis: the trust anchor of the configuration. since: a head that an auditor names. processes: 0 for
    all cores. Raises LedgerError only where the ledger can't be read."""
    check = _Check()
    problems: list[Problem] = []
    with closing(judged(chunks(ledger.raw_rows()), verifier.verify, processes, ledger.describe())) as rows:
        for row, shown in rows:
            problems += check.row(row, shown, verifier)
    if not check.count:
        problems.append(Problem(0, "the ledger is empty"))
    problems += check.artifacts(ledger)
    history = check.history
    if ledger_id and ledger_id != history.ledger:
        problems.append(Problem(1, f"this is ledger {history.ledger or '?'}, the configuration names {ledger_id}"))
    if genesis and genesis != f"sha256:{history.genesis}":
        problems.append(Problem(1, f"the first entry is not the genesis that the configuration names ({genesis})"))
    looked = (*seen, *([Seen(SINCE, since)] if since else []))
    problems += check.heads(looked)
    return Verified(
        check.count, check.head, tuple(problems), history.genesis, history.ledger, len(history.policies), looked
    )


class _Check:
    """What is known of the entries so far."""

    def __init__(self) -> None:
        self.history = History()
        self.head = EMPTY
        self.count = 0
        self._stored: dict[str, int] = {}  # digest of an artifact that must be there -> the first entry that brought it

    def row(self, row: Row, shown: Judged, verifier: Verifier) -> Iterator[Problem]:
        expected, stored = self.head.seq + 1, as_text(row[2])
        seq = row[0] if type(row[0]) is int else expected
        self.count += 1
        if row[0] != seq:
            yield Problem(seq, "column seq does not hold a number")
        if seq != expected:
            yield Problem(seq, f"entry {expected} is missing")
        if row[1] != self.head.hash:
            yield Problem(seq, "it does not continue the chain")
        for text in shown.problems:
            yield Problem(seq, text)
        try:
            entry = _entry(seq, row, stored, shown)
        except _UNREADABLE as error:
            if not shown.problems:
                yield Problem(seq, f"it can't be understood: {error}")
        else:
            for text in (*self._links(entry), *self._authority(entry, shown.key, verifier)):
                yield Problem(seq, text)
            if entry.kind in _STORING:
                for digest in _digests(entry):
                    self._stored.setdefault(digest, seq)
            _forget_frame(entry)
        self.history.hashes[seq] = stored
        self.head = Head(seq, stored)

    def _links(self, entry: Entry) -> Iterator[str]:
        nonce = entry.predicate.get("nonce")
        if not isinstance(nonce, str):
            yield "it has no nonce"
        elif nonce in self.history.nonces:
            yield "its nonce is that of an earlier entry"
        hashes = self.history.hashes
        match entry.predicate.get("after"):
            case {"seq": int(seq), "hash": str(digest)} if seq in hashes and digest == f"sha256:{hashes[seq]}":
                return
        yield "it claims to follow an entry that this ledger does not hold"

    def _authority(self, entry: Entry, key: str, verifier: Verifier) -> Iterator[str]:
        flawed = self.history.flawed
        before = len(flawed)
        try:
            fold([entry], (lambda _signature: key) if key else verifier.key_of, self.history)
        except _UNREADABLE as error:
            yield f"it can't be understood: {error}"
            return
        for said in flawed[before:]:
            if said.seq == entry.seq:  # an earlier one that is undone now did count when it was made
                yield f"it does not count: {said.flaw}"

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
    statement, signature, document = as_bytes(row[3]), as_text(row[4]), shown.document
    if document is None:
        # What another process found to be without fault has one reading only.
        document = canonical.loads(statement) if shown.problems else _DECODER.decode(statement.decode())
    _share_words(document)
    return project(seq, as_text(row[1]), statement, signature, document=document, stored=stored)


def _share_words(document: Any) -> None:
    """The fold keeps what entries say, and it is most of the memory that a long ledger takes: what was said before in
    the same words is kept once."""
    try:
        predicate = document["predicate"]
        for name, value in predicate.items():
            if type(value) is str:
                predicate[name] = intern(value)
        for subject in document["subject"]:
            subject["name"] = intern(subject["name"])
            subject["digest"]["sha256"] = intern(subject["digest"]["sha256"])
    except _UNREADABLE:
        return  # the fold has a word for an entry like that


def _forget_frame(entry: Entry) -> None:
    """An entry's frame is asked for when it is folded, and never again."""
    said = {intern(name): value for name, value in entry.predicate.items() if name not in _FRAME}
    entry.predicate.clear()
    entry.predicate.update(said)


def _digests(entry: Entry) -> Iterator[str]:
    """Of the artifacts that an entry brings: its files, and SQL that was rendered from them."""
    try:
        found = [subject["digest"]["sha256"] for subject in entry.document["subject"]]
        for rendered in entry.predicate.get("sql", {}).values():
            found += [rendered[name].removeprefix("sha256:") for name in ("upgrade", "downgrade") if name in rendered]
    except (KeyError, TypeError, AttributeError):
        return  # the fold has a word for an entry like that
    yield from (digest for digest in found if isinstance(digest, str))
