"""The ledger on SQLite: one appender at a time, every read checked against the chain.

The standard library's driver, not SQLAlchemy: opening the ledger is part of every command, and importing
SQLAlchemy alone would take longer than all the rest of `status`.
"""

# The statements are made of constants: column names and question marks.
# ruff: noqa: S608

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from migrate_flow.core.chain import EMPTY, ORIGIN, Head, link
from migrate_flow.core.entry import Entry, project
from migrate_flow.core.redaction import redact
from migrate_flow.errors import BusyError, ConfigError, LedgerError
from migrate_flow.ledger import schema

BUSY_TIMEOUT_MS = 10_000
_BATCH = 500
_NAMES = ("seq", "prev", "hash", "statement", "signature", "kind", "revision", "environment", "actor", "at")
_COLUMNS = ", ".join(_NAMES)
_PREFIX = "sqlite:///"


class LedgerStore:
    """Entries and artifacts in one SQLite file. Every call opens and closes a connection of its own."""

    def __init__(self, path: Path, where: str) -> None:
        self._path = path
        self._where = where

    def describe(self) -> str:
        return self._where

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """Entries after a position, in order, each checked against the chain and its own statement."""
        with self._read() as connection:
            prev = _hash_at(connection, after, self._where)
            rows = connection.execute(f"SELECT {_COLUMNS} FROM entry WHERE seq > ? ORDER BY seq", (after,))
            for expected, row in enumerate(rows, start=after + 1):
                entry = _checked(_plain(row), expected, prev, self._where)
                prev = entry.hash
                yield entry

    def at(self, seqs: Sequence[int]) -> list[Entry]:
        """The entries at these positions, in order, each checked against its own hash and statement."""
        found = []
        with self._read() as connection:
            for start in range(0, len(seqs), _BATCH):
                batch = seqs[start : start + _BATCH]
                marks = ", ".join("?" * len(batch))
                rows = connection.execute(f"SELECT {_COLUMNS} FROM entry WHERE seq IN ({marks}) ORDER BY seq", batch)
                found += [_checked(_plain(row), row["seq"], row["prev"], self._where) for row in rows]
        return found

    def append(
        self,
        statement: bytes,
        signature: str,
        artifacts: Iterable[bytes],
        *,
        seen: Head,
        recheck: Callable[[Sequence[Entry]], None],
    ) -> Entry:
        """Append in one transaction. seen: the head that the caller knows; recheck gets what came after it."""
        with self._write() as connection:
            head = _head(connection)
            if head != seen:
                recheck(self._since(connection, seen))
            entry = project(head.seq + 1, head.hash, statement, signature)
            _store_artifacts(connection, artifacts)
            marks = ", ".join("?" * len(_NAMES))
            values = [getattr(entry, name) for name in _NAMES]
            connection.execute(f"INSERT INTO entry ({_COLUMNS}) VALUES ({marks})", values)
        return entry

    def artifact(self, sha256: str) -> bytes | None:
        with self._read() as connection:
            row = connection.execute("SELECT content FROM artifact WHERE sha256 = ?", (sha256,)).fetchone()
        if row is None:
            return None
        content = _bytes(row["content"])
        if hashlib.sha256(content).hexdigest() != sha256:
            raise _broken(self._where, f"artifact {sha256[:12]}… does not have the bytes of its digest")
        return content

    def artifacts(self) -> Iterator[tuple[str, bytes]]:
        """Every artifact: digest (hex) and content, unchecked."""
        with self._read() as connection:
            for row in connection.execute("SELECT sha256, content FROM artifact ORDER BY sha256"):
                yield row["sha256"], _bytes(row["content"])

    def raw_rows(self) -> Iterator[dict[str, Any]]:
        """Every entry's columns, unchecked, for `ledger verify` to judge."""
        with self._read() as connection:
            for row in connection.execute(f"SELECT {_COLUMNS} FROM entry ORDER BY seq"):
                yield _plain(row)

    def _since(self, connection: sqlite3.Connection, seen: Head) -> list[Entry]:
        if _hash_at(connection, seen.seq, self._where) != seen.hash:
            raise _broken(self._where, f"entry {seen.seq} is not the one that was read a moment ago")
        prev = seen.hash
        found: list[Entry] = []
        for row in connection.execute(f"SELECT {_COLUMNS} FROM entry WHERE seq > ? ORDER BY seq", (seen.seq,)):
            entry = _checked(_plain(row), seen.seq + len(found) + 1, prev, self._where)
            prev = entry.hash
            found.append(entry)
        return found

    @contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        with _translated(self._where), closing(_connect(self._path)) as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._read() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                with suppress(sqlite3.Error):  # after some errors SQLite has rolled back by itself
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")


def open_store(url: str, root: Path) -> LedgerStore:
    """Open an existing ledger. Raises LedgerError (none there, other schema), ConfigError (unusable URL)."""
    path, where = _locate(url, root)
    if not path.exists():
        raise LedgerError("there is no ledger yet", hint="migrate-flow init", where=where)
    with _translated(where), closing(_connect(path)) as connection:
        schema.check(connection, where)
    return LedgerStore(path, where)


def create_store(url: str, root: Path) -> LedgerStore:
    """Make a new, empty ledger. Raises LedgerError if something is there already."""
    path, where = _locate(url, root)
    if path.exists() and path.stat().st_size:
        raise LedgerError("there is a ledger already", hint="migrate-flow ledger info", where=where)
    with _translated(where):
        path.parent.mkdir(parents=True, exist_ok=True)
        schema.create(path)
    return LedgerStore(path, where)


def remove_store(url: str, root: Path) -> None:
    """Undo create_store, for a ledger that never got its first configuration."""
    path, _where = _locate(url, root)
    path.unlink(missing_ok=True)


def _locate(url: str, root: Path) -> tuple[Path, str]:
    """The file, and how to name it. SQLAlchemy's URL form: three slashes and a path relative to root."""
    name = unquote(url.removeprefix(_PREFIX).partition("?")[0])
    if url.startswith(_PREFIX) and name not in ("", ":memory:"):
        return root / name, name
    scheme, mark, _rest = url.partition("://")
    problem = f"a ledger on {scheme} is not supported by this version" if mark else "the ledger's URL can't be read"
    raise ConfigError(
        "the ledger's URL names no file" if scheme == "sqlite" else problem,
        hint='use a file: url = "sqlite:///.migrate-flow/ledger.db"',
        where="[ledger] url",
    )


def _connect(path: Path) -> sqlite3.Connection:
    """NOTE: the driver's own transaction handling is off, BEGIN IMMEDIATE is ours. Rollback journal and
    synchronous=EXTRA: an entry that was reported as written survives a power cut."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1000
    )
    connection.row_factory = sqlite3.Row
    # A byte that is no UTF-8 becomes a text that differs, instead of an error that does not say where it is.
    connection.text_factory = partial(str, encoding="utf-8", errors="backslashreplace")
    for pragma in ("journal_mode=DELETE", "synchronous=EXTRA", "recursive_triggers=ON"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


@contextmanager
def _translated(where: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            hint = "try again in a moment"
            raise BusyError("another process writes to the ledger", hint=hint, where=where) from error
        raise LedgerError(redact(str(error)), hint="migrate-flow doctor", where=where) from error
    except OSError as error:
        raise LedgerError(
            f"the ledger's file can't be used: {error.strerror}", hint="migrate-flow doctor", where=where
        ) from error


def _head(connection: sqlite3.Connection) -> Head:
    row = connection.execute("SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1").fetchone()
    return EMPTY if row is None else Head(row["seq"], row["hash"])


def _hash_at(connection: sqlite3.Connection, seq: int, where: str) -> str:
    if seq == 0:
        return ORIGIN
    row = connection.execute("SELECT hash FROM entry WHERE seq = ?", (seq,)).fetchone()
    if row is None:
        raise _broken(where, f"entry {seq} is gone")
    return str(row["hash"])


def _plain(row: sqlite3.Row) -> dict[str, Any]:
    """A stored row with a statement of bytes and a signature of text: SQLite takes any value in any column."""
    return {**row, "statement": _bytes(row["statement"]), "signature": str(row["signature"])}


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _checked(row: Mapping[str, Any], expected: int, prev: str, where: str) -> Entry:
    """The row as an entry, if it continues the chain and says what its statement says."""
    try:
        statement, signature = row["statement"], row["signature"]
        if row["seq"] != expected:
            raise _broken(where, f"entry {expected} is missing")
        if row["prev"] != prev or link(prev, statement, signature) != row["hash"]:
            raise _broken(where, f"entry {expected} does not continue the chain")
        entry = project(expected, prev, statement, signature)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _broken(where, f"entry {expected} is no statement of ours ({error})") from error
    for name in ("kind", "revision", "environment", "actor", "at"):
        if row[name] != getattr(entry, name):
            raise _broken(where, f"entry {expected}: column {name} is not what the statement says")
    return entry


def _broken(where: str, problem: str) -> LedgerError:
    return LedgerError(
        f"the ledger can't be trusted: {problem}", hint="migrate-flow ledger verify; restore a backup", where=where
    )


def _store_artifacts(connection: sqlite3.Connection, artifacts: Iterable[bytes]) -> None:
    for content in artifacts:
        digest = hashlib.sha256(content).hexdigest()
        if connection.execute("SELECT 1 FROM artifact WHERE sha256 = ?", (digest,)).fetchone() is None:
            connection.execute("INSERT INTO artifact (sha256, content) VALUES (?, ?)", (digest, content))
