"""The ledger in a database: one appender at a time, every read checked against the chain.

`sqlite` and `postgresql` say how their database begins and ends a transaction; all else is here. Both speak to their
driver directly: opening the ledger is part of every command, and importing SQLAlchemy alone would take longer than all
the rest of `status`.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from migrate_flow.core.chain import EMPTY
from migrate_flow.core.entry import Entry, project
from migrate_flow.errors import ConfigError, LedgerError, UsageError
from migrate_flow.ledger import schema
from migrate_flow.ledger.rows import BATCH, Row, Transaction, broken, checked, digests, frame, signed
from migrate_flow.services.marks import Mark, Rewritten

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from migrate_flow.core.chain import Head, Signed
    from migrate_flow.services.copy_ledger import Fill, NewLedger

Recheck = Callable[[Sequence[Entry]], None]


@dataclass(frozen=True, slots=True)
class Upgraded:
    """Versions of the schema; the same where there was nothing to do. backup: the copy that was kept, or empty."""

    before: str
    after: str
    backup: str = ""


def _nothing(_new: NewLedger) -> None:
    """A new ledger begins empty."""


class LedgerStore(ABC):
    """Implements `services.ports.Ledger`. where: how messages name the place, without secrets."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._version = schema.CURRENT
        self._own = 0  # entries that were appended through this object

    # How the database does it

    @abstractmethod
    def read(self) -> AbstractContextManager[Transaction]:
        """A transaction that only reads."""

    @abstractmethod
    def write(self) -> AbstractContextManager[Transaction]:
        """A transaction that no other appender runs beside."""

    @abstractmethod
    def migrate(self, *, create: bool = False) -> AbstractContextManager[tuple[Connection, Transaction]]:
        """A transaction like `write`, of which Alembic has a hold too. create: there may be no database yet."""

    @abstractmethod
    def drop(self) -> None:
        """Take the ledger away, without asking."""

    def keep_copy(self, version: str) -> str:
        """Before an upgrade from this version: the name of a copy, empty where backups are the server's matter."""
        del version
        return ""

    def grants(self, role: str) -> str:
        """SQL that gives a role what the product needs of this ledger, and everybody else nothing."""
        del role
        raise UsageError(
            "grants are PostgreSQL's: whoever may write to a SQLite ledger's file may do anything to it",
            hint="for a team: migrate-flow ledger copy env:LEDGER_DATABASE_URL",
            where="[ledger] url",
        )

    def clock_offset(self) -> timedelta:
        return timedelta()

    def state(self) -> str:
        """What can't stay the same where a byte of the storage changes; empty where nothing tells, or not yet."""
        return ""

    # What a command does with it

    def describe(self) -> str:
        return self._where

    def open(self) -> LedgerStore:
        """Raises LedgerError if no ledger is here that can be read."""
        with self.read() as transaction:
            version = transaction.version()
        self._version = schema.require_readable(version, self._where)
        return self

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """Entries after a position, in order, each checked against the chain and its own statement."""
        with self.read() as transaction:
            yield from self._after(transaction, after, self._hash_at(transaction, after))

    def entries_since(self, mark: Mark | None, done: Callable[[Mark], None]) -> Iterator[Entry]:
        """As `MarkedLedger.entries_since`."""
        state, head, rows = self.state(), mark.head if mark else EMPTY, hashlib.sha256()
        with self.read() as transaction:
            if mark and state and state == mark.state and transaction.head() == head:
                done(mark)
                return
            position = 0
            for position, row in enumerate(transaction.rows_after(0), start=1):
                frame(rows, row)
                if position > head.seq:
                    entry = checked(row, position, head.hash, self._where)
                    head = entry.head
                    yield entry
                elif position == head.seq and mark and not _same(rows, row, mark):
                    raise Rewritten
            if position < head.seq:
                raise Rewritten
        done(Mark(head, rows.hexdigest(), state if state == self.state() else ""))

    def at(self, seqs: Sequence[int]) -> list[Entry]:
        """The entries at these positions, in order, each checked against its own hash and statement."""
        return list(self.each(seqs))

    def each(self, seqs: Sequence[int]) -> Iterator[Entry]:
        """As `at`, one after the other: what one says that adopts thousands of revisions takes 10 MB."""
        return (checked(row, row[0], row[1], self._where) for row in self._rows(seqs))

    def signed(self, seqs: Sequence[int]) -> Iterator[Signed]:
        """As `each`, without reading what the statements say."""
        return (signed(row, self._where) for row in self._rows(seqs))

    def _rows(self, seqs: Sequence[int]) -> Iterator[Row]:
        """A few at a time, with no transaction open in between, and none kept that was given."""
        for start in range(0, len(seqs), BATCH):
            with self.read() as transaction:
                rows = transaction.rows_at(seqs[start : start + BATCH])
            rows.reverse()
            while rows:
                yield rows.pop()

    def where(self, equal: Mapping[str, str], kind: str = "", last: int = 0) -> list[int]:
        """Positions of entries with these values in these columns and a kind that begins so, in order, as the columns
        say, which `at` checks. last: the newest so many of them, 0 for all."""
        with self.read() as transaction:
            return transaction.seqs_where(equal, kind, last)

    def append(
        self, statement: bytes, signature: str, artifacts: Iterable[bytes], *, seen: Head, recheck: Recheck
    ) -> Entry:
        """Append in one transaction. seen: the head that the caller knows; recheck gets what came after it."""
        schema.require_current(self._version, self._where)
        with self.write() as transaction:
            entry = self.extend(transaction, statement, signature, artifacts, seen, recheck)
        self._own += 1
        return entry

    def extend(
        self,
        transaction: Transaction,
        statement: bytes,
        signature: str,
        artifacts: Iterable[bytes],
        seen: Head,
        recheck: Recheck,
    ) -> Entry:
        """The body of `append`, in a transaction that no other appender runs beside."""
        head = transaction.head()
        if head != seen:
            recheck(self._since(transaction, seen))
        entry = project(head.seq + 1, head.hash, statement, signature)
        transaction.add_artifacts(digests(artifacts))
        transaction.add_entries([entry])
        return entry

    def artifact(self, sha256: str) -> bytes | None:
        with self.read() as transaction:
            content = transaction.artifact(sha256)
        if content is not None and hashlib.sha256(content).hexdigest() != sha256:
            raise broken(self._where, f"artifact {sha256[:12]}… does not have the bytes of its digest")
        return content

    def artifacts(self) -> Iterator[tuple[str, bytes]]:
        """Every artifact: digest (hex) and content, unchecked."""
        with self.read() as transaction:
            yield from transaction.artifacts()

    def raw_rows(self) -> Iterator[Row]:
        """Every entry's columns, unchecked, for `ledger verify` to judge."""
        with self.read() as transaction:
            yield from transaction.raw_rows()

    def create(self, fill: Fill = _nothing) -> None:
        """Make a new ledger and fill it: all of it or nothing. Raises LedgerError if something is there already."""
        with self.migrate(create=True) as (connection, transaction):
            if transaction.version() is not None:
                raise LedgerError("there is a ledger already", hint="migrate-flow ledger info", where=self._where)
            schema.bring_to_current(connection)
            fill(transaction)

    def upgrade(self) -> Upgraded:
        """To the current schema, in one transaction that ends only if it left every byte of every row."""
        from migrate_flow.services.copy_ledger import Fingerprint

        if self._version == schema.CURRENT:
            return Upgraded(schema.CURRENT, schema.CURRENT)
        with self.migrate() as (connection, transaction):
            version = schema.require_readable(transaction.version(), self._where)
            backup = self.keep_copy(version)
            before = Fingerprint.of(transaction)
            schema.bring_to_current(connection)
            if Fingerprint.of(transaction) != before:
                raise LedgerError(
                    "the upgrade would change what the ledger holds: nothing was kept of it",
                    hint="migrate-flow ledger verify",
                    where=self._where,
                )
        self._version = schema.CURRENT
        return Upgraded(version, schema.CURRENT, backup)

    def remove(self) -> None:
        """Undo `create`, unless the ledger holds what others wrote."""
        with self.read() as transaction:
            others = transaction.version() is None or transaction.head().seq > self._own
        if not others:
            self.drop()

    def _since(self, transaction: Transaction, seen: Head) -> list[Entry]:
        if self._hash_at(transaction, seen.seq) != seen.hash:
            raise broken(self._where, f"entry {seen.seq} is not the one that was read a moment ago")
        return list(self._after(transaction, seen.seq, seen.hash))

    def _after(self, transaction: Transaction, seq: int, prev: str) -> Iterator[Entry]:
        for expected, row in enumerate(transaction.rows_after(seq), start=seq + 1):
            entry = checked(row, expected, prev, self._where)
            prev = entry.hash
            yield entry

    def _hash_at(self, transaction: Transaction, seq: int) -> str:
        found = transaction.hash_at(seq)
        if found is None:
            raise broken(self._where, f"entry {seq} is gone")
        return found


def _same(rows: hashlib._Hash, row: Row, mark: Mark) -> bool:
    """Whether a row and all before it are those that were marked."""
    return (row[0], row[2], rows.hexdigest()) == (mark.head.seq, mark.head.hash, mark.rows)


def open_store(url: str, root: Path) -> LedgerStore:
    """Open an existing ledger. Raises LedgerError (none there, other schema), ConfigError (unusable URL)."""
    return locate(url, root).open()


def create_store(url: str, root: Path) -> LedgerStore:
    """Make a new, empty ledger. Raises LedgerError if something is there already."""
    store = locate(url, root)
    store.create()
    return store


def locate(url: str, root: Path) -> LedgerStore:
    """The store at a URL, not opened yet. SQLAlchemy's form: SQLite has three slashes and a path relative to root.

    Raises ConfigError, never with the URL in it.
    """
    scheme, mark, rest = url.strip().partition("://")
    if scheme == "sqlite" and mark:
        name = _plain(rest.removeprefix("/").partition("?")[0])
        if not rest.startswith("/") or name in ("", ":memory:"):
            raise _unusable("the ledger's URL names no file")
        from migrate_flow.ledger.sqlite import SqliteStore

        return SqliteStore(root / name, name)
    if scheme in ("postgresql", "postgresql+psycopg") and mark:
        try:
            from migrate_flow.ledger.postgresql import PostgresqlStore
        except ImportError as error:
            raise ConfigError(
                "a ledger on PostgreSQL needs the driver psycopg, which is not installed",
                hint="pip install 'migrate-flow[postgresql]'",
                where="[ledger] url",
            ) from error
        return PostgresqlStore(f"postgresql://{rest}")
    raise _unusable(f"a ledger on {scheme} is not supported" if mark else "the ledger's URL can't be read")


def _plain(written: str) -> str:
    if "%" not in written:
        return written
    from urllib.parse import unquote

    return unquote(written)


def _unusable(problem: str) -> ConfigError:
    return ConfigError(
        problem,
        hint='url = "sqlite:///.migrate-flow/ledger.db", or for a team "postgresql://user@host/database"',
        where="[ledger] url",
    )
