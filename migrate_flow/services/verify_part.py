"""Proves what can be proved of a selection of entries: signatures, digests, and in a bundle every entry's position.

Who was allowed to say what follows from all entries before, and is not judged. A bundle's policies are held against
the digests that the signers name in their statements, and the keys against these policies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from migrate_flow.core import canonical
from migrate_flow.core.brought import brought
from migrate_flow.core.chain import EMPTY, ORIGIN, Head
from migrate_flow.core.fingerprint import fingerprint
from migrate_flow.core.packed import Hashes
from migrate_flow.services.allowed_signers import expected
from migrate_flow.services.file_evidence import BUNDLE, Evidence, Found, Judgement, header_problems
from migrate_flow.services.part_policies import PartPolicies
from migrate_flow.services.verify_chunk import Judged, Row, chunks, rare_collections
from migrate_flow.services.verify_ledger import Problem
from migrate_flow.services.verify_processes import judged

if TYPE_CHECKING:
    from migrate_flow.services.ports import Verifier

_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError)


class Skeleton(Hashes):
    """The hash of every position of chain.tsv that follows those before it without a jump. last: the highest."""

    __slots__ = ("last",)

    def __init__(self) -> None:
        super().__init__()
        self.last = 0


def follow_skeleton(evidence: Evidence, problems: list[Problem]) -> Skeleton:
    """Check that each position follows from the one before it and from its own digests."""
    hashes, before, expected = Skeleton(), ORIGIN, 1
    for seq, statement, signature, said in evidence.skeleton():
        if seq != expected:
            problems.append(Problem(seq, f"chain.tsv has position {seq} where {expected} belongs"))
        joined = bytes.fromhex(before + statement + signature)
        if hashlib.sha256(joined).hexdigest() != said:
            problems.append(Problem(seq, "chain.tsv: its hash does not follow from its digests and position before"))
        if seq == hashes.last + 1:  # nobody needs to believe how many lie between
            hashes[seq] = said
            hashes.last = seq
        before, expected = said, seq + 1
    return hashes


def judge_part(evidence: Evidence, verifier: Verifier, asked: tuple[int, ...], processes: int = 0) -> Judgement:
    """As `verify_file.judge_whole`."""
    part = _Bundled(evidence) if evidence.form == BUNDLE else _Lines(evidence)
    verdicts = judged(chunks(part.rows()), verifier.verify, processes, evidence.where)
    with rare_collections(), closing(verdicts) as rows:
        for row, shown in rows:
            part.entry(row, shown)
    return part.judgement(asked)


class _Part:
    """What any selection shows."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence, self.found = evidence, Found.of(evidence.header)
        self.problems: dict[str, list[Problem]] = {"chain": [], "entries": [], "artifacts": [], "policies": []}
        self._nonces: set[str] = set()
        self.ledger = ""
        self.owners: dict[str, str] = {}  # public key -> whoever signed with it first

    def rows(self) -> Iterator[Row]:
        for row in self.evidence.rows():
            self.found.row(row)
            yield row

    def entry(self, row: Row, shown: Judged) -> None:
        seq, texts = row[0], list(shown.problems)
        try:
            document = canonical.known(row[3]) if shown.document is None else shown.document
            predicate = document["predicate"]
            texts += self._stated(seq, document, predicate)
            texts += self.placed(row, predicate.get("after"))
            texts += self.signed(seq, document, shown.key)
        except _UNREADABLE as error:
            if not shown.problems:
                texts.append(f"it can't be understood: {error}")
        self.problems["entries"] += [Problem(seq, text) for text in texts]

    def _stated(self, seq: int, document: Mapping[str, Any], predicate: Mapping[str, Any]) -> Iterator[str]:
        del document
        nonce, ledger = predicate.get("nonce"), predicate.get("ledger")
        if not isinstance(nonce, str):
            yield "it has no nonce"
        elif nonce in self._nonces:
            yield "its nonce is that of an earlier entry"
        else:
            self._nonces.add(nonce)
        self.ledger = self.ledger or str(ledger)
        if ledger != self.ledger:
            yield f"it was made for ledger {ledger}, the others for {self.ledger}"

    def placed(self, row: Row, after: Any) -> Iterator[str]:
        """Problems of its place in the chain."""
        raise NotImplementedError

    def signed(self, seq: int, document: Mapping[str, Any], key: str) -> Iterator[str]:
        """Problems of who signed it. key: empty if the signature is not valid."""
        actor = document["predicate"]["actor"]
        if not isinstance(actor, str):
            yield "its actor is no text"
        elif key and self.owners.setdefault(key, actor) != actor:
            yield f"signed with a key that signs for {self.owners[key]} elsewhere"

    def hash_at(self, seq: int) -> str | None:
        raise NotImplementedError

    def proved_at(self, seq: int) -> str | None:
        """As `hash_at`, where more stands behind it than somebody's word."""
        return self.hash_at(seq)

    def judgement(self, asked: tuple[int, ...], head: Head = EMPTY, **more: Any) -> Judgement:
        found, said = self.found, self.evidence.header
        self.problems["entries"] += found.disorder
        self.problems["header"] = list(header_problems(said, found, head, self.hash_at(1) or "", self.ledger))
        hashes = {seq: held for seq in asked if (held := self.proved_at(seq))}
        genesis = self.proved_at(1) or ""
        signers = sorted((person, fingerprint(key)) for key, person in self.owners.items())
        problems = {area: tuple(listed) for area, listed in self.problems.items()}
        return Judgement(found, problems, head, genesis, self.ledger, hashes, signers=tuple(signers), **more)


class _Lines(_Part):
    """A selection in a jsonl. What lies between its entries is known only where a signer names it: the field
    ``prev`` is signed by nobody."""

    def __init__(self, evidence: Evidence) -> None:
        super().__init__(evidence)
        self._seen: dict[int, str] = {0: ORIGIN}
        self._here: set[int] = set()
        self._before = EMPTY

    def placed(self, row: Row, after: Any) -> Iterator[str]:
        seq, prev, own = row[:3]
        if seq == self._before.seq + 1 and prev != self._before.hash:
            yield "it does not continue the chain"
        self._before = Head(seq, own)
        self._here.add(seq)
        if self._seen.setdefault(seq, own) != own:
            yield "an earlier entry names another hash for this position"
        if self._seen.get(seq - 1, prev) != prev:
            yield "the entry before it is not the one that it continues"
        claimed = after["seq"], str(after["hash"]).removeprefix("sha256:")
        if not 0 <= claimed[0] < seq or self._seen.setdefault(*claimed) != claimed[1]:
            yield "it claims to follow an entry that this ledger does not hold"

    def hash_at(self, seq: int) -> str | None:
        return self._seen.get(seq)

    def proved_at(self, seq: int) -> str | None:
        """Of entries that are here: whoever signs one may name any hash for another."""
        return self._seen.get(seq) if seq in self._here else None

    def judgement(self, asked: tuple[int, ...], head: Head = EMPTY, **more: Any) -> Judgement:
        said = self.evidence.header.head  # what follows the last entry is known by nobody but the header
        if said.seq > self.found.last:
            self.found.gap(self.found.last + 1, said.seq)
        known = Head(self.found.last, self.found.head)
        return super().judgement(asked, said if said.seq > known.seq else known, **more)


class _Bundled(_Part):
    """A selection in a bundle, which has the digests of every position."""

    def __init__(self, evidence: Evidence) -> None:
        super().__init__(evidence)
        self._hashes = follow_skeleton(evidence, self.problems["chain"])
        self._policies = PartPolicies(evidence.policies(), self.problems["policies"])
        self._stored: dict[str, int] = {}

    def placed(self, row: Row, after: Any) -> Iterator[str]:
        seq = row[0]
        if seq > self._hashes.last:
            yield f"chain.tsv ends at position {self._hashes.last}, before this entry"
        if not 0 <= after["seq"] < seq or after["hash"] != f"sha256:{self._hashes.get(after['seq'])}":
            yield "it claims to follow an entry that this ledger does not hold"

    def signed(self, seq: int, document: Mapping[str, Any], key: str) -> Iterator[str]:
        yield from super().signed(seq, document, key)
        yield from self._policies.entry(seq, document, key)
        for digest in brought(document):
            self._stored.setdefault(digest, seq)

    def hash_at(self, seq: int) -> str | None:
        return self._hashes.get(seq)

    def judgement(self, asked: tuple[int, ...], head: Head = EMPTY, **more: Any) -> Judgement:
        if self._hashes.last > self.found.last:
            self.found.gap(self.found.last + 1, self._hashes.last)
        count = self._artifacts(self.problems["artifacts"])
        if _lines(self.evidence.signers()) != _lines(expected(self._policies.known, {})):
            self.problems["policies"].append(
                Problem(0, "allowed_signers is not what the policies in policies/ make it")
            )
        head = Head(self._hashes.last, self._hashes.get(self._hashes.last) or ORIGIN)
        kept = {"policies": self._policies.count, "unvouched": self._policies.unvouched, "artifacts": count}
        return super().judgement(asked, head, **kept, **more)

    def _artifacts(self, problems: list[Problem]) -> int:
        count = 0
        for digest, content in self.evidence.artifacts():
            count += 1
            seq = self._stored.pop(digest, 0)
            if not seq:
                problems.append(unbrought(digest))
            if hashlib.sha256(content).hexdigest() != digest:
                problems.append(Problem(seq, f"artifact {digest[:12]}… has other bytes"))
        problems += [Problem(seq, f"artifact {digest[:12]}… is gone") for digest, seq in self._stored.items()]
        return count


def unbrought(digest: str) -> Problem:
    return Problem(0, f"artifact {digest[:12]}… belongs to no entry that is here")


def _lines(text: bytes) -> list[bytes]:
    return [line for line in text.splitlines() if line.strip() and not line.startswith(b"#")]
