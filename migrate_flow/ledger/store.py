"""The ledger on SQLite: one appender at a time, every read checked against the chain."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, pool, select, type_coerce
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.types import NullType

from migrate_flow.core.chain import EMPTY, ORIGIN, Head, link
from migrate_flow.core.entry import Entry, project
from migrate_flow.core.redaction import redact
from migrate_flow.errors import BusyError, ConfigError, LedgerError
from migrate_flow.ledger import schema
from migrate_flow.ledger.tables import ARTIFACT, ENTRY

BUSY_TIMEOUT_MS = 10_000
_BATCH = 500
# As stored, whatever that is: SQLite takes any value in any column, and a tampered one must reach the checks.
_STORED = select(*(type_coerce(column, NullType()).label(column.name) for column in ENTRY.c)).order_by(ENTRY.c.seq)
_STORED_ARTIFACT = select(*(type_coerce(column, NullType()).label(column.name) for column in ARTIFACT.c))


class LedgerStore:
    """Entries and artifacts in one SQLite file."""

    def __init__(self, engine: Engine, where: str) -> None:
        self._engine = engine
        self._where = where

    def describe(self) -> str:
        return self._where

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """Entries after a position, in order, each checked against the chain and its own statement."""
        with self._read() as connection:
            prev = _hash_at(connection, after, self._where)
            rows = connection.execution_options(yield_per=_BATCH).execute(_STORED.where(ENTRY.c.seq > after))
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
                rows = connection.execute(_STORED.where(ENTRY.c.seq.in_(batch)))
                found += [_checked(_plain(row), row.seq, row.prev, self._where) for row in rows]
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
        with self._write() as connection:
            head = _head(connection)
            if head != seen:
                recheck(self._since(connection, seen))
            entry = project(head.seq + 1, head.hash, statement, signature)
            _store_artifacts(connection, artifacts)
            connection.execute(insert(ENTRY).values(**_columns(entry)))
        return entry

    def artifact(self, sha256: str) -> bytes | None:
        with self._read() as connection:
            row = connection.execute(_STORED_ARTIFACT.where(ARTIFACT.c.sha256 == sha256)).first()
        if row is None:
            return None
        content = _bytes(row.content)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise _broken(self._where, f"artifact {sha256[:12]}… does not have the bytes of its digest")
        return content

    def artifacts(self) -> Iterator[tuple[str, bytes]]:
        """Every artifact: digest (hex) and content."""
        with self._read() as connection:
            for row in connection.execution_options(yield_per=_BATCH).execute(_STORED_ARTIFACT):
                yield str(row.sha256), _bytes(row.content)

    def raw_rows(self) -> Iterator[dict[str, Any]]:
        """Every entry's columns, unchecked, for `ledger verify` to judge."""
        with self._read() as connection:
            for row in connection.execution_options(yield_per=_BATCH).execute(_STORED):
                yield _plain(row)

    def close(self) -> None:
        self._engine.dispose()

    def _since(self, connection: Connection, seen: Head) -> list[Entry]:
        if _hash_at(connection, seen.seq, self._where) != seen.hash:
            raise _broken(self._where, f"entry {seen.seq} is not the one that was read a moment ago")
        prev = seen.hash
        found: list[Entry] = []
        for row in connection.execute(_STORED.where(ENTRY.c.seq > seen.seq)):
            entry = _checked(_plain(row), seen.seq + len(found) + 1, prev, self._where)
            prev = entry.hash
            found.append(entry)
        return found

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with _translated(self._where), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with _translated(self._where), self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                with suppress(DBAPIError):  # after some errors SQLite has rolled back by itself
                    connection.exec_driver_sql("ROLLBACK")
                raise
            connection.exec_driver_sql("COMMIT")


def open_store(url: str, root: Path) -> LedgerStore:
    """Open an existing ledger. Raises LedgerError (none there, other schema), ConfigError (unusable URL)."""
    path, where = _locate(url, root)
    if not path.exists():
        raise LedgerError("there is no ledger yet", hint="migrate-flow init", where=where)
    engine = _engine(path)
    with _translated(where):
        schema.check(engine, where)
    return LedgerStore(engine, where)


def create_store(url: str, root: Path) -> LedgerStore:
    """Make a new, empty ledger. Raises LedgerError if something is there already."""
    path, where = _locate(url, root)
    if path.exists() and path.stat().st_size:
        raise LedgerError("there is a ledger already", hint="migrate-flow ledger info", where=where)
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = _engine(path)
    with _translated(where):
        schema.create(engine)
    return LedgerStore(engine, where)


def _locate(url: str, root: Path) -> tuple[Path, str]:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise _unusable("the ledger's URL can't be read") from None
    if parsed.get_backend_name() != "sqlite":
        raise _unusable(f"a ledger on {parsed.get_backend_name()} is not supported by this version")
    if not parsed.database or parsed.database == ":memory:":
        raise _unusable("the ledger's URL names no file")
    return root / parsed.database, str(parsed.database)


def _unusable(problem: str) -> ConfigError:
    return ConfigError(problem, hint='use a file: url = "sqlite:///.migrate-flow/ledger.db"', where="[ledger] url")


def _engine(path: Path) -> Engine:
    url = URL.create("sqlite", database=str(path))  # not by text: a folder's name may hold a question mark
    engine = create_engine(url, hide_parameters=True, poolclass=pool.NullPool)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # NOTE: the driver's own transaction handling is off, BEGIN IMMEDIATE is ours. Rollback journal and
        # synchronous=EXTRA: an entry that was reported as written survives a power cut.
        connection.isolation_level = None
        # A byte that is no UTF-8 becomes a text that differs, instead of an error that does not say where it is.
        connection.text_factory = partial(str, encoding="utf-8", errors="backslashreplace")
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "journal_mode=DELETE",
            "synchronous=EXTRA",
            "recursive_triggers=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    return engine


@contextmanager
def _translated(where: str) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        text = str(error.orig)
        if "locked" in text or "busy" in text:
            raise BusyError(
                "another process writes to the ledger", hint="try again in a moment", where=where
            ) from error
        raise LedgerError(redact(text), hint="migrate-flow doctor", where=where) from error
    except SQLAlchemyError as error:
        raise LedgerError(redact(str(error)), hint="migrate-flow doctor", where=where) from error


def _head(connection: Connection) -> Head:
    row = connection.execute(select(ENTRY.c.seq, ENTRY.c.hash).order_by(ENTRY.c.seq.desc()).limit(1)).first()
    return EMPTY if row is None else Head(row.seq, row.hash)


def _hash_at(connection: Connection, seq: int, where: str) -> str:
    if seq == 0:
        return ORIGIN
    found: str | None = connection.execute(select(ENTRY.c.hash).where(ENTRY.c.seq == seq)).scalar()
    if found is None:
        raise _broken(where, f"entry {seq} is gone")
    return found


def _plain(row: Any) -> dict[str, Any]:
    """A stored row with a statement of bytes and a signature of text, whatever somebody put there."""
    columns = dict(row._mapping)
    return columns | {"statement": _bytes(columns["statement"]), "signature": str(columns["signature"])}


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _checked(row: Mapping[str, Any], expected: int, prev: str, where: str) -> Entry:
    """The row as an entry, if it continues the chain and says what its statement says."""
    statement, signature = row["statement"], row["signature"]
    if row["seq"] != expected:
        raise _broken(where, f"entry {expected} is missing")
    try:
        if row["prev"] != prev or link(prev, statement, signature) != row["hash"]:
            raise _broken(where, f"entry {expected} does not continue the chain")
        entry = project(expected, prev, statement, signature)
    except (ValueError, KeyError, TypeError) as error:
        raise _broken(where, f"entry {expected} is no statement of ours ({error})") from error
    for name in ("kind", "revision", "environment", "actor", "at"):
        if row[name] != getattr(entry, name):
            raise _broken(where, f"entry {expected}: column {name} is not what the statement says")
    return entry


def _broken(where: str, problem: str) -> LedgerError:
    return LedgerError(
        f"the ledger can't be trusted: {problem}", hint="migrate-flow ledger verify; restore a backup", where=where
    )


def _store_artifacts(connection: Connection, artifacts: Iterable[bytes]) -> None:
    contents = {hashlib.sha256(content).hexdigest(): content for content in artifacts}
    if not contents:
        return
    known = set(connection.execute(select(ARTIFACT.c.sha256).where(ARTIFACT.c.sha256.in_(contents))).scalars())
    rows = [{"sha256": digest, "content": content} for digest, content in contents.items() if digest not in known]
    if rows:
        connection.execute(insert(ARTIFACT), rows)


def _columns(entry: Entry) -> dict[str, Any]:
    names = ("seq", "prev", "hash", "statement", "signature", "kind", "revision", "environment", "actor", "at")
    return {name: getattr(entry, name) for name in names}


def remove_store(url: str, root: Path) -> None:
    """Undo create_store, for a ledger that never got its first configuration."""
    path, _where = _locate(url, root)
    path.unlink(missing_ok=True)
