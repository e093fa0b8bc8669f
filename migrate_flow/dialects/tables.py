"""The tables that we keep in a target: who it is, and what ran in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    and_,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError

from migrate_flow.core.facts import Identity, Receipt
from migrate_flow.core.trace import Durability, Journaled, Trace
from migrate_flow.dialects.sqlite_look import PREFIX as PREFIX

SCHEMA = "migrate_flow"
CLOSED = '"closed"'
# A receipt in a table without transactions would prove nothing. The journal takes any statement's text, whatever
# the database's own character set is.
_INNODB: Any = {
    "mysql_engine": "InnoDB",
    "mariadb_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mariadb_charset": "utf8mb4",
}


@dataclass(frozen=True, slots=True)
class TargetTables:
    """target: one row of identity. receipt: one row a transaction of a step, final only with the version table's
    change. journal: what became durable on the way, where not everything comes with one commit.

    A transaction's first act is its row in `receipt`, not final. A script that commits by itself so leaves a trace,
    whatever happens to the process afterwards; a rollback takes the row away with all else.
    """

    metadata: MetaData
    target: Table
    receipt: Table
    journal: Table

    @staticmethod
    def build(schema: str | None, *, innodb: bool = False) -> TargetTables:
        """With a schema of our own, or (None) with prefixed names in the default one. innodb: for MySQL and MariaDB;
        SQLAlchemy loads both for options that begin with their names."""
        options = _INNODB if innodb else {}
        metadata = MetaData(schema=schema)
        prefix = "" if schema else PREFIX
        target = Table(
            f"{prefix}target",
            metadata,
            Column("uuid", String(36), primary_key=True),
            Column("project", String(200), nullable=False),
            Column("environment", String(64), nullable=False),
            Column("ledger", String(36), nullable=False),
            Column("version_table", String(128), nullable=False),
            Column("version_schema", String(128), nullable=False),
            **options,
        )
        receipt = Table(
            f"{prefix}receipt",
            metadata,
            Column("attempt", String(36), primary_key=True),
            Column("segment", Integer, primary_key=True, autoincrement=False),
            Column("final", Boolean, nullable=False),
            Column("intent_hash", String(64), nullable=False),
            Column("revision", String(64), nullable=False),
            Column("direction", String(16), nullable=False),
            Column("manifest", String(80), nullable=False),
            Column("from_heads", Text, nullable=False),
            Column("to_heads", Text, nullable=False),
            Column("ledger", String(36), nullable=False),
            Column("ledger_seq", Integer, nullable=False),
            Column("ledger_hash", String(64), nullable=False),
            Column("at", String(32), nullable=False),
            **options,
        )
        journal = Table(
            f"{prefix}journal",
            metadata,
            Column("attempt", String(36), primary_key=True),
            Column("n", Integer, primary_key=True, autoincrement=False),
            Column("sha256", String(64), nullable=False),
            Column("kind", String(16), nullable=False),
            Column("state", String(16), nullable=False),
            Column("text", Text, nullable=False),
            Column("before", String(64)),
            **options,
        )
        return TargetTables(metadata, target, receipt, journal)

    def read_identity(self, connection: Connection, *, sure: bool = False) -> Identity | None:
        """The identity row; None if the table is missing or empty. sure: do not ask whether it is there."""
        if not sure and not _is_there(connection, self.target):
            return None
        row = connection.execute(select(self.target)).first()
        return None if row is None else Identity(**row._mapping)

    def write_identity(self, connection: Connection, identity: Identity) -> None:
        self.metadata.create_all(connection)
        connection.execute(delete(self.target))
        connection.execute(
            insert(self.target).values(
                uuid=identity.uuid,
                project=identity.project,
                environment=identity.environment,
                ledger=identity.ledger,
                version_table=identity.version_table,
                version_schema=identity.version_schema,
            )
        )

    def begin_segment(self, connection: Connection, receipt: Receipt, segment: int, *, again: bool) -> None:
        """The first act of a transaction: its row, not final. again: in place of one from an earlier try."""
        if again:
            mine = self._segment(receipt.attempt, segment)
            connection.execute(delete(self.receipt).where(mine, ~self.receipt.c.final))
        connection.execute(insert(self.receipt).values(_row(receipt, segment, final=False)))

    def close_segment(self, connection: Connection, attempt: str, segment: int) -> None:
        """The last act before an autocommit block: this commit is ours, and what it holds is in the journal."""
        connection.execute(update(self.receipt).where(self._segment(attempt, segment)).values(to_heads=CLOSED))

    def write_receipt(self, connection: Connection, receipt: Receipt, segment: int) -> bool:
        """The last act of a step. False where the row that its transaction began with is gone."""
        final = update(self.receipt).where(self._segment(receipt.attempt, segment), ~self.receipt.c.final)
        return connection.execute(final.values(_row(receipt, segment, final=True))).rowcount == 1

    def _segment(self, attempt: str, segment: int) -> ColumnElement[bool]:
        return and_(self.receipt.c.attempt == attempt, self.receipt.c.segment == segment)

    def note(self, connection: Connection, attempt: str, item: Journaled) -> None:
        """A row of the journal, in place of one with its number from an earlier try."""
        mine = and_(self.journal.c.attempt == attempt, self.journal.c.n == item.n)
        # NOTE: only a row that is there. To delete one that is not would lock the gap where the next belongs, which
        # our other connection is about to write (InnoDB).
        if connection.execute(select(self.journal.c.n).where(mine)).first() is not None:
            connection.execute(delete(self.journal).where(mine))
        connection.execute(
            insert(self.journal).values(
                attempt=attempt,
                n=item.n,
                sha256=item.digest,
                kind=item.kind,
                state=item.state.value,
                text=item.text,
                before=item.before,
            )
        )

    def forget(self, connection: Connection, attempt: str, n: int) -> None:
        connection.execute(delete(self.journal).where(self.journal.c.attempt == attempt, self.journal.c.n == n))

    def has(self, connection: Connection, attempt: str, n: int) -> bool:
        mine = and_(self.journal.c.attempt == attempt, self.journal.c.n == n)
        return connection.execute(select(self.journal.c.n).where(mine)).first() is not None

    def mark(self, connection: Connection, attempt: str, n: int, state: Durability) -> None:
        mine = and_(self.journal.c.attempt == attempt, self.journal.c.n == n)
        connection.execute(update(self.journal).where(mine).values(state=state.value))

    def read_trace(self, connection: Connection, attempt: str) -> Trace:
        """What is committed of an attempt; empty where the tables are missing."""
        if not _is_there(connection, self.receipt):
            return Trace()
        rows = select(self.receipt.c.segment).where(
            self.receipt.c.attempt == attempt, ~self.receipt.c.final, self.receipt.c.to_heads != CLOSED
        )
        segments = tuple(connection.execute(rows.order_by(self.receipt.c.segment)).scalars())
        if not _is_there(connection, self.journal):
            return Trace(segments)
        found = connection.execute(
            select(self.journal).where(self.journal.c.attempt == attempt).order_by(self.journal.c.n)
        )
        return Trace(
            segments,
            tuple(Journaled(row.n, row.sha256, row.kind, Durability(row.state), row.text, row.before) for row in found),
        )

    def read_receipt(self, connection: Connection, attempt: str) -> Receipt | None:
        return self._read_receipt(connection, self.receipt.c.attempt == attempt)

    def newest_receipt(self, connection: Connection, ledger: str) -> Receipt | None:
        """The one with the highest position in this ledger."""
        return self._read_receipt(connection, self.receipt.c.ledger == ledger)

    def upgrades(self, connection: Connection) -> frozenset[tuple[str, str, str]]:
        """(attempt, revision, manifest) of every final receipt of an upgrade; empty where the table is missing."""
        if not _is_there(connection, self.receipt):
            return frozenset()
        kept = self.receipt.c
        query = select(kept.attempt, kept.revision, kept.manifest).where(kept.final, kept.direction == "upgrade")
        return frozenset((row.attempt, row.revision, row.manifest) for row in connection.execute(query))

    def _read_receipt(self, connection: Connection, meant: ColumnElement[bool]) -> Receipt | None:
        if not _is_there(connection, self.receipt):
            return None
        query = select(self.receipt).where(self.receipt.c.final, meant)
        row = connection.execute(query.order_by(self.receipt.c.ledger_seq.desc()).limit(1)).first()
        if row is None:
            return None
        values = dict(row._mapping)
        del values["segment"], values["final"]
        values["from_heads"] = tuple(json.loads(values["from_heads"]))
        values["to_heads"] = tuple(json.loads(values["to_heads"]))
        return Receipt(**values)

    def read_heads(self, connection: Connection, identity: Identity, *, sure: bool = False) -> tuple[str, ...]:
        """Rows of Alembic's version table, sorted; empty if there is none. sure: do not ask whether there is."""
        table = Table(
            identity.version_table,
            MetaData(),
            Column("version_num", String(32)),
            schema=identity.version_schema or None,
        )
        if not sure and not _is_there(connection, table):
            return ()
        return tuple(sorted(connection.execute(select(table.c.version_num)).scalars()))


_NO_TABLE = frozenset({"42P01", "3F000", 1146})  # PostgreSQL's for a table and a schema, MySQL's and MariaDB's


def says_no_table(error: DBAPIError) -> bool:
    """Whether that is what the server said, whatever the driver."""
    original: Any = error.orig
    codes = (getattr(original, "sqlstate", None), getattr(original, "pgcode", None), *original.args[:1])
    return not _NO_TABLE.isdisjoint(code for code in codes if isinstance(code, (str, int))) or (
        str(original).startswith("no such table")
    )


_seen: WeakKeyDictionary[Engine, set[str]] = WeakKeyDictionary()


def _is_there(connection: Connection, table: Table) -> bool:
    """Asked once for each engine, while the answer is no: a table that goes in mid run is an error of its own."""
    found = _seen.setdefault(connection.engine, set())
    if table.fullname not in found and connection.dialect.has_table(connection, table.name, schema=table.schema):
        found.add(table.fullname)
    return table.fullname in found


def _row(receipt: Receipt, segment: int, *, final: bool) -> dict[str, Any]:
    return {
        "attempt": receipt.attempt,
        "segment": segment,
        "final": final,
        "intent_hash": receipt.intent_hash,
        "revision": receipt.revision,
        "direction": receipt.direction,
        "manifest": receipt.manifest,
        "from_heads": json.dumps(sorted(receipt.from_heads)),
        "to_heads": json.dumps(sorted(receipt.to_heads)),
        "ledger": receipt.ledger,
        "ledger_seq": receipt.ledger_seq,
        "ledger_hash": receipt.ledger_hash,
        "at": receipt.at,
    }
