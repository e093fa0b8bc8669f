"""The ledger on a PostgreSQL server, for a team."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import psycopg

from migrate_flow.core.chain import EMPTY, Head
from migrate_flow.core.entry import Entry, project
from migrate_flow.errors import LedgerError
from migrate_flow.ledger import schema
from migrate_flow.ledger.grants import grants
from migrate_flow.ledger.postgresql_connection import PASSES, connect, describe, is_lost, parameters, translated
from migrate_flow.ledger.rows import (
    BATCH,
    SELECT_HEAD,
    SELECT_VERSION,
    Row,
    Transaction,
    digests,
    entry_values,
    insert_artifact,
    insert_entry,
)
from migrate_flow.ledger.store import LedgerStore, Recheck

if TYPE_CHECKING:
    from sqlalchemy import Connection

LOCK_TIMEOUT = "10s"
TRIES = 7
PAUSE_S = 0.05  # before the second try; doubled before each further one
WRITTEN_AT_ONCE = 50

_KEY = 0x6D66_6C67  # "mflg": the first half of our advisory locks' keys
_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# READ COMMITTED, whatever the server's default is: the head must be read as it is after the wait for the lock.
# A commit that a crash of the server could undo is no commit: synchronous_commit is switched on where it is off.
_WRITE = f"""BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}';
SELECT set_config('synchronous_commit', replace(current_setting('synchronous_commit'), 'off', 'on'), true),
  pg_advisory_xact_lock({_KEY}, """
_OF_THE_TABLE = "'entry'::regclass::oid::int)"  # whatever schema it is found in
_APPEND = f"{_WRITE}{_OF_THE_TABLE}; {SELECT_HEAD}"
_OF_THE_SCHEMA = "hashtext(coalesce(current_schema(), '')))"  # before there is a table
_DROP = """DROP TABLE artifact, entry, ledger_version;
DROP FUNCTION ledger_entry_append(), ledger_artifact_digest(), ledger_refuse()"""


@cache
def _message(write: str, artifacts: int) -> bytes:
    """From BEGIN to COMMIT, with so many artifacts and one entry. The driver knows again what is the same object."""
    inserts = [*[insert_artifact("%s")] * artifacts, insert_entry("%s")]
    return "; ".join([write + _OF_THE_TABLE, *inserts, "COMMIT"]).encode()


class PostgresqlTransaction(Transaction):
    """found: the head, where the transaction began with looking for it."""

    mark = "%s"

    def __init__(self, connection: psycopg.Connection[Any], found: Head | None = None) -> None:
        self._connection, self._found = connection, found

    def head(self) -> Head:
        return self._found if self._found is not None else super().head()

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return self._connection.execute(sql.encode(), values, binary=True).fetchall()

    def stream(self, sql: str, values: Sequence[Any] = ()) -> Iterator[Row]:
        with self._connection.cursor("ledger", binary=True) as cursor:
            cursor.itersize = BATCH
            yield from cursor.execute(sql.encode(), values)

    def write(self, sql: str, rows: Iterable[Row]) -> None:
        waiting = iter(rows)
        with self._connection.cursor() as cursor:
            while batch := list(islice(waiting, WRITTEN_AT_ONCE)):
                if len(batch) == 1:
                    cursor.execute(sql.encode(), batch[0])
                else:
                    cursor.executemany(sql.encode(), batch)

    def run(self, sql: str) -> None:
        self._connection.execute(sql.encode())

    def version(self) -> str | None:
        found = self.rows("SELECT to_regclass(%s) IS NOT NULL", (schema.VERSION_TABLE,))
        if found != [(True,)]:
            return None
        rows = self.rows(SELECT_VERSION)
        return str(rows[0][0]) if rows else ""


class PostgresqlStore(LedgerStore):
    """Connections are kept for the next call and closed with the object, at the latest when the process ends."""

    def __init__(self, url: str) -> None:
        self._parameters = parameters(url)
        super().__init__(describe(self._parameters))
        self._idle: list[psycopg.Connection[Any]] = []
        weakref.finalize(self, _close, self._idle)

    def append(
        self, statement: bytes, signature: str, artifacts: Iterable[bytes], *, seen: Head, recheck: Recheck
    ) -> Entry:
        schema.require_current(self._version, self._where)
        contents = list(artifacts)
        known = [seen]

        def told(entries: Sequence[Entry]) -> None:
            recheck(entries)
            known.append(entries[-1].head)

        def extended(transaction: Transaction) -> Entry:
            return self.extend(transaction, statement, signature, contents, known[-1], told)

        with translated(self._where):
            entry = self._once(project(seen.seq + 1, seen.hash, statement, signature), contents, extended)
        self._own += 1
        return entry

    def _once(self, expected: Entry, contents: list[bytes], extended: Callable[[Transaction], Entry]) -> Entry:
        """Append and commit, again if somebody was faster or the connection was lost, and never twice.

        expected: the entry, if nobody has appended since the caller looked. That is tried first.
        NOTE: only the lock tells what became of a commit that got no answer. Whoever holds it knows that the server
        has ended the transaction before, one way or the other.
        """
        unanswered: Entry | None = None
        for tries in range(TRIES):
            committed: Entry | None = None
            try:
                if tries == 0:
                    connection = self._connection()
                    committed = expected
                    if self._at_once(connection, expected, contents):
                        return expected
                    continue
                with self._transaction(_APPEND, heads=True) as transaction:
                    if unanswered is not None and transaction.holds(unanswered):
                        return unanswered
                    unanswered = None
                    entry = extended(transaction)
                    committed = entry
                return entry
            except psycopg.Error as error:
                if is_lost(error):
                    unanswered = committed or unanswered
                if tries + 1 < TRIES and (is_lost(error) or error.sqlstate in PASSES):
                    time.sleep(PAUSE_S * 2**tries)
                elif unanswered is not None:
                    raise LedgerError(
                        "the ledger's server did not say whether the entry was written, and can't be asked",
                        hint="migrate-flow log, when the server answers again",
                        where=self._where,
                    ) from error
                else:
                    raise
        raise AssertionError("the last try returns or raises")

    def _at_once(self, connection: psycopg.Connection[Any], entry: Entry, contents: list[bytes]) -> bool:
        """From BEGIN to COMMIT in one message: one way to the server and back. False if somebody was faster.

        NOTE: nothing is looked at in between, for the trigger takes no entry but the next one.
        """
        values = [value for digest, content in digests(contents) for value in (digest, content, digest)]
        values += entry_values(entry)
        try:
            psycopg.ClientCursor(connection).execute(_message(_WRITE, len(contents)), values)
        except psycopg.errors.RestrictViolation:
            return False
        finally:
            self._end(connection)
        return True

    def clock_offset(self) -> timedelta:
        with self.read() as transaction:
            asked = datetime.now(UTC)
            ((theirs,),) = transaction.rows("SELECT extract(epoch FROM clock_timestamp())::float8")
            half = (datetime.now(UTC) - asked) / 2
        return datetime.fromtimestamp(theirs, UTC) - (asked + half)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        with translated(self._where), self._transaction(_READ) as transaction:
            yield transaction

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        with translated(self._where), self._transaction(_APPEND, heads=True) as transaction:
            yield transaction

    @contextmanager
    def _transaction(self, begin: str, *, heads: bool = False) -> Iterator[PostgresqlTransaction]:
        """heads: the last statement of begin gives the head. Raises psycopg.Error."""
        connection, cursor = self._begun(begin)
        try:
            while cursor.nextset():
                pass
            row = cursor.fetchone() if heads else None
            found = (Head(*row) if row else EMPTY) if heads else None
            yield PostgresqlTransaction(connection, found)
            connection.execute("COMMIT")
        finally:
            self._end(connection)

    def _begun(self, begin: str) -> tuple[psycopg.Connection[Any], psycopg.Cursor[Any]]:
        """A kept connection may have died since, which its first statement tells: then the next one."""
        kept = bool(self._idle)
        connection = self._connection()
        try:
            return connection, connection.execute(begin.encode())
        except BaseException as error:
            self._end(connection)
            if kept and isinstance(error, psycopg.Error) and is_lost(error):
                return self._begun(begin)
            raise

    def _connection(self) -> psycopg.Connection[Any]:
        return self._idle.pop() if self._idle else connect(self._parameters)

    def _end(self, connection: psycopg.Connection[Any]) -> None:
        """Roll back what was not committed; keep the connection if it is still good."""
        idle = psycopg.pq.TransactionStatus.IDLE
        with suppress(psycopg.Error):
            if connection.pgconn.transaction_status != idle:
                connection.execute("ROLLBACK")
        if connection.pgconn.transaction_status == idle:
            self._idle.append(connection)
        else:
            connection.close()

    @contextmanager
    def migrate(self, *, create: bool = False) -> Iterator[tuple[Connection, Transaction]]:
        from sqlalchemy import create_engine, pool

        with translated(self._where), schema.driver_errors(), closing(connect(self._parameters)) as own:
            self._require_utf8(own)
            engine = create_engine(
                "postgresql+psycopg://", creator=lambda: own, poolclass=pool.NullPool, use_native_hstore=False
            )
            with engine.begin() as connection:
                own.execute((_WRITE + (_OF_THE_SCHEMA if create else _OF_THE_TABLE)).encode())
                yield connection, PostgresqlTransaction(own)

    def _require_utf8(self, connection: psycopg.Connection[Any]) -> None:
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise LedgerError(
                f"the database keeps its text as {encoding}, the ledger needs UTF8",
                hint="createdb --encoding=UTF8 --template=template0 NAME",
                where=self._where,
            )

    def drop(self) -> None:
        with translated(self._where), self._transaction(_APPEND, heads=True) as transaction:
            if transaction.head().seq <= self._own:  # looked at again, under the lock
                transaction.run(_DROP)

    def grants(self, role: str) -> str:
        with self.read() as transaction:
            ((database, namespace),) = transaction.rows(
                "SELECT current_database()::text, n.nspname::text FROM pg_class c "
                "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = 'entry'::regclass"
            )
        return grants(database, namespace, role)


def _close(idle: list[psycopg.Connection[Any]]) -> None:
    while idle:
        idle.pop().close()
