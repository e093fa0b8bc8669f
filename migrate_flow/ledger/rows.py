"""What both databases understand: the statements of a transaction, and the check of every row that is read."""

# The statements are made of constants: column names and marks for values.
# ruff: noqa: S608

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from migrate_flow.core.chain import EMPTY, ORIGIN, Head, Signed, link
from migrate_flow.core.entry import Entry, UnknownKind, project
from migrate_flow.errors import LedgerError

NAMES = ("seq", "prev", "hash", "statement", "signature", "kind", "revision", "environment", "actor", "at")
COLUMNS = ", ".join(NAMES)
BATCH = 500
SELECT_HEAD = "SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1"
SELECT_VERSION = "SELECT version_num FROM ledger_version"

Row = Sequence[Any]


class Transaction(ABC):
    """One transaction on one connection. mark: what stands for a value in a statement."""

    mark: ClassVar[str]

    @abstractmethod
    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """A few rows, all at once."""

    @abstractmethod
    def stream(self, sql: str, values: Sequence[Any] = ()) -> Iterator[Row]:
        """Any number of rows, never many of them in memory."""

    @abstractmethod
    def write(self, sql: str, rows: Iterable[Row]) -> None:
        """The statement once for each row."""

    @abstractmethod
    def version(self) -> str | None:
        """The schema's; None where there is no ledger, empty where it does not say."""

    def head(self) -> Head:
        rows = self.rows(SELECT_HEAD)
        return Head(*rows[0]) if rows else EMPTY

    def hash_at(self, seq: int) -> str | None:
        if seq == 0:
            return ORIGIN
        rows = self.rows(f"SELECT hash FROM entry WHERE seq = {self.mark}", (seq,))
        return str(rows[0][0]) if rows else None

    def holds(self, entry: Entry) -> bool:
        return self.hash_at(entry.seq) == entry.hash

    def raw_rows(self, after: int = 0) -> Iterator[Row]:
        """The values of NAMES as they are stored, of whatever types."""
        return self.stream(f"SELECT {COLUMNS} FROM entry WHERE seq > {self.mark} ORDER BY seq", (after,))

    def rows_after(self, after: int) -> Iterator[Row]:
        return map(_plain, self.raw_rows(after))

    def rows_at(self, seqs: Sequence[int]) -> list[Row]:
        """Not many at a time: each position is a value of the statement."""
        marks = ", ".join([self.mark] * len(seqs))
        return list(map(_plain, self.rows(f"SELECT {COLUMNS} FROM entry WHERE seq IN ({marks}) ORDER BY seq", seqs)))

    def seqs_where(self, equal: Mapping[str, str], kind: str, last: int) -> list[int]:
        """Of those with these values in these columns and a kind that begins so, in order; the last so many, 0 for
        all."""
        wanted = [f"{name} = {self.mark}" for name in equal if name in NAMES]
        values: list[Any] = list(equal.values())
        if kind:
            wanted.append(f"substr(kind, 1, {len(kind)}) = {self.mark}")
            values.append(kind)
        where, limit = " AND ".join(wanted or ["1 = 1"]), f" LIMIT {int(last)}" if last else ""
        rows = self.rows(f"SELECT seq FROM entry WHERE {where} ORDER BY seq DESC{limit}", values)
        return [row[0] for row in reversed(rows)]

    def artifact(self, sha256: str) -> bytes | None:
        rows = self.rows(f"SELECT content FROM artifact WHERE sha256 = {self.mark}", (sha256,))
        return _bytes(rows[0][0]) if rows else None

    def artifacts(self) -> Iterator[tuple[str, bytes]]:
        rows = self.stream("SELECT sha256, content FROM artifact ORDER BY sha256")
        return ((digest, content) for digest, content in rows)

    def add_entries(self, entries: Iterable[Entry]) -> None:
        self.write(insert_entry(self.mark), map(entry_values, entries))

    def add_artifacts(self, artifacts: Iterable[tuple[str, bytes]]) -> None:
        """Those that are stored already stay as they are."""
        self.write(insert_artifact(self.mark), ((digest, content, digest) for digest, content in artifacts))


def insert_entry(mark: str) -> str:
    return f"INSERT INTO entry ({COLUMNS}) VALUES ({', '.join([mark] * len(NAMES))})"


def entry_values(entry: Entry) -> list[Any]:
    return [getattr(entry, name) for name in NAMES]


def insert_artifact(mark: str) -> str:
    """Takes the digest, the content, and the digest again."""
    return (
        f"INSERT INTO artifact (sha256, content) SELECT {mark}, {mark} "
        f"WHERE NOT EXISTS (SELECT 1 FROM artifact WHERE sha256 = {mark})"
    )


def digests(contents: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    for content in contents:
        yield hashlib.sha256(content).hexdigest(), content


def checked(row: Row, expected: int, prev: str, where: str) -> Entry:
    """The row as an entry, if it continues the chain and says what its statement says. Raises LedgerError."""
    seq, before, stored, statement, signature, kind, revision, environment, actor, at = row
    try:
        if seq != expected:
            raise broken(where, f"entry {expected} is missing")
        if before != prev or link(prev, statement, signature) != stored:
            raise broken(where, f"entry {expected} does not continue the chain")
        entry = project(expected, prev, statement, signature, stored=stored)
    except UnknownKind as error:
        raise LedgerError(
            f"entry {expected}: {error}",
            hint="pip install --upgrade migrate-flow: a newer version wrote it",
            where=where,
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise broken(where, f"entry {expected} is no statement of ours ({error})") from error
    said = (entry.kind, entry.revision, entry.environment, entry.actor, entry.at)
    if said != (kind, revision, environment, actor, at):
        name = next(name for name, one, other in zip(NAMES[5:], row[5:], said, strict=True) if one != other)
        raise broken(where, f"entry {expected}: column {name} is not what the statement says")
    return entry


def signed(row: Row, where: str) -> Signed:
    """Raises LedgerError where the hash is not that of the statement and its signature."""
    seq, before, stored, statement, signature, _kind, _revision, _environment, actor, _at = row
    try:
        fits = link(before, statement, signature) == stored
    except (ValueError, TypeError, AttributeError):
        fits = False
    if not fits:
        raise broken(where, f"entry {seq} does not continue the chain")
    return Signed(seq, stored, actor, statement, signature)


def frame(digest: hashlib._Hash, row: Row) -> None:
    """Take in every column of a row, so that no two rows look the same."""
    seq, prev, stored, statement, signature, *projected = row
    digest.update(repr((seq, prev, stored, len(statement), len(signature), projected)).encode())
    digest.update(statement)
    digest.update(signature.encode())


def broken(where: str, problem: str) -> LedgerError:
    return LedgerError(
        f"the ledger can't be trusted: {problem}", hint="migrate-flow ledger verify; restore a backup", where=where
    )


def _plain(row: Row) -> Row:
    """A stored row with a statement of bytes and a signature of text: SQLite takes any value in any column."""
    if type(row[3]) is bytes and type(row[4]) is str:
        return row
    return (*row[:3], _bytes(row[3]), str(row[4]), *row[5:])


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
