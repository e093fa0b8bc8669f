"""The ledger in a file, for one machine."""

from __future__ import annotations

import os
import sqlite3
import time
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migrate_flow.core.redaction import redact
from migrate_flow.errors import BusyError, LedgerError
from migrate_flow.ledger import schema
from migrate_flow.ledger.rows import SELECT_VERSION, Row, Transaction
from migrate_flow.ledger.store import LedgerStore

if TYPE_CHECKING:
    from sqlalchemy import Connection

BUSY_TIMEOUT_MS = 10_000
POLL_S = 0.003
SETTLED_NS = 2_000_000_000

_NO_TEXT = "Could not decode to UTF-8"  # how the driver begins what it says of such a text
_State = tuple[int, int, int, int] | None


class SqliteTransaction(Transaction):
    mark = "?"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return self._connection.execute(sql, values).fetchall()

    def stream(self, sql: str, values: Sequence[Any] = ()) -> Iterator[Row]:
        with closing(self._connection.execute(sql, values)) as cursor:  # left open, it would keep its lock
            yield from cursor

    def raw_rows(self, after: int = 0) -> Iterator[Row]:
        """The driver's own way with text is twice as fast as ours, and ends at a byte that is no UTF-8: from there on
        it goes on as everything else is read."""
        connection = self._connection
        connection.text_factory = str
        try:
            for row in super().raw_rows(after):
                after = row[0]
                yield row
        except sqlite3.OperationalError as error:
            if not str(error).startswith(_NO_TEXT):
                raise
        else:
            return
        finally:
            connection.text_factory = _text
        yield from super().raw_rows(after)

    def write(self, sql: str, rows: Iterable[Row]) -> None:
        self._connection.executemany(sql, rows)

    def version(self) -> str | None:
        wanted = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
        if not self.rows(wanted, (schema.VERSION_TABLE,)):
            return None
        rows = self.rows(SELECT_VERSION)
        return str(rows[0][0]) if rows else ""


class SqliteStore(LedgerStore):
    """A connection is kept for the next call, for as long as nobody else has touched the file: it may be restored or
    moved at any time."""

    def __init__(self, path: Path, where: str) -> None:
        super().__init__(where)
        self._path = path
        self._idle: list[tuple[sqlite3.Connection, _State]] = []
        weakref.finalize(self, _close, self._idle)

    def open(self) -> LedgerStore:
        if not self._path.exists():
            raise LedgerError("there is no ledger yet", hint=schema.NONE_YET, where=self._where)
        return super().open()

    def state(self) -> str:
        """Of the file. Not where a journal lies beside it, which may hold what the file does not; and not for as long
        as it was touched just now: another write may fall into the same tick of the clock by which files are dated."""
        try:
            found = self._path.stat()
        except OSError:
            return ""
        if any(self._path.with_name(self._path.name + end).exists() for end in ("-wal", "-journal")):
            return ""
        changed = max(found.st_mtime_ns, found.st_ctime_ns)
        if abs(time.time_ns() - changed) < SETTLED_NS or os.name == "nt":  # Windows dates no change of a date
            return ""
        return f"{found.st_dev}:{found.st_ino}:{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}"

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        with translated(self._where), self._connected() as connection:
            yield SqliteTransaction(connection)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        with translated(self._where), self._connected() as connection:
            _begin(connection)
            try:
                yield SqliteTransaction(connection)
            except BaseException:
                with suppress(sqlite3.Error):  # after some errors SQLite has rolled back by itself
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        kept, state = self._idle.pop() if self._idle else (None, None)
        if kept is not None and state != _state(self._path):
            kept.close()
            kept = None
        connection = kept or connect(self._path)
        try:
            yield connection
            self._idle.append((connection, _state(self._path)))
        except BaseException:
            connection.close()
            raise

    @contextmanager
    def migrate(self, *, create: bool = False) -> Iterator[tuple[Connection, Transaction]]:
        from sqlalchemy import create_engine, pool

        with translated(self._where):
            fresh = create and not self._path.exists()
            self._path.parent.mkdir(parents=create, exist_ok=True)
            try:
                with closing(connect(self._path, create=create)) as own, schema.driver_errors():
                    engine = create_engine("sqlite://", creator=lambda: own, poolclass=pool.NullPool)
                    with engine.begin() as connection:
                        connection.exec_driver_sql("BEGIN IMMEDIATE")  # the driver's would not hold CREATE TABLE
                        yield connection, SqliteTransaction(own)
            except BaseException:
                if fresh and self._path.exists() and not self._path.stat().st_size:
                    self._path.unlink()
                raise

    def drop(self) -> None:
        self._path.unlink(missing_ok=True)

    def keep_copy(self, version: str) -> str:
        """NOTE: by SQLite's own means. Reading the file here and closing it would drop the lock that we hold."""
        target = next(path for path in self._names(version) if not path.exists())
        import tempfile

        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as made:
            copy = Path(made.name)
        try:
            with closing(connect(self._path)) as source, closing(sqlite3.connect(copy)) as into:
                source.backup(into)
            copy.chmod(self._path.stat().st_mode & 0o777)
            with copy.open("rb+") as file:
                os.fsync(file.fileno())
            copy.rename(target)
        except BaseException:
            copy.unlink(missing_ok=True)
            raise
        return str(Path(self._where).with_name(target.name))

    def _names(self, version: str) -> Iterator[Path]:
        yield self._path.with_name(f"{self._path.name}.{version}.bak")
        for number in count(2):
            yield self._path.with_name(f"{self._path.name}.{version}.{number}.bak")


def _begin(connection: sqlite3.Connection) -> None:
    """NOTE: SQLite's own way of waiting sleeps longer and longer, and starves beside others who append all the time."""
    until = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    connection.execute("PRAGMA busy_timeout=0")
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
            break
        except sqlite3.OperationalError as error:
            if not _busy(error) or time.monotonic() > until:
                raise
            time.sleep(POLL_S)
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")  # readers may keep the commit waiting


def _busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _state(path: Path) -> _State:
    """What changes when a file is written to, or another one is put into its place. None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _close(idle: list[tuple[sqlite3.Connection, _State]]) -> None:
    while idle:
        idle.pop()[0].close()


def connect(path: Path, *, create: bool = False) -> sqlite3.Connection:
    """NOTE: the driver's own transaction handling is off, BEGIN IMMEDIATE is ours. Rollback journal and
    synchronous=EXTRA: an entry that was reported as written survives a power cut."""
    mode = "rwc" if create else "rw"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        timeout=BUSY_TIMEOUT_MS / 1000,
        check_same_thread=False,  # one user at a time is enough, and `_connected` sees to it
    )
    # A byte that is no UTF-8 becomes a text that differs, instead of an error that does not say where it is.
    connection.text_factory = _text
    try:
        for pragma in ("journal_mode=DELETE", "synchronous=EXTRA", "recursive_triggers=ON"):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode(errors="backslashreplace")


@contextmanager
def translated(where: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        if _busy(error):
            hint = "try again in a moment"
            raise BusyError("another process writes to the ledger", hint=hint, where=where) from error
        raise LedgerError(redact(str(error)), hint="migrate-flow doctor", where=where) from error
    except UnicodeDecodeError as error:  # the driver's, about a message of SQLite's that quotes a damaged file
        raise LedgerError(
            "the ledger's file is damaged", hint="migrate-flow ledger verify; restore a backup", where=where
        ) from error
    except OSError as error:
        raise LedgerError(
            f"the ledger's file can't be used: {error.strerror}", hint="migrate-flow doctor", where=where
        ) from error
