"""The tables that we keep in a target: who it is, and what ran in it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    delete,
    insert,
    select,
)

from migrate_flow.core.facts import Identity, Receipt

SCHEMA = "migrate_flow"
PREFIX = "migrate_flow_"


@dataclass(frozen=True, slots=True)
class TargetTables:
    """target: one row of identity. receipt: one row a committed step. journal: for databases that commit DDL."""

    metadata: MetaData
    target: Table
    receipt: Table
    journal: Table

    @staticmethod
    def build(schema: str | None) -> TargetTables:
        """With a schema of our own, or (None) with prefixed names in the default one."""
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
            Column("ledger_seq", Integer, nullable=False),
            Column("ledger_hash", String(64), nullable=False),
            Column("at", String(32), nullable=False),
        )
        journal = Table(
            f"{prefix}journal",
            metadata,
            Column("attempt", String(36), nullable=False),
            Column("n", Integer, nullable=False),
            Column("sha256", String(64), nullable=False),
            Column("kind", String(16), nullable=False),
            Column("state", String(16), nullable=False),
            UniqueConstraint("attempt", "n"),
        )
        return TargetTables(metadata, target, receipt, journal)

    def read_identity(self, connection: Connection) -> Identity | None:
        """The identity row; None if the table is missing or empty."""
        if not connection.dialect.has_table(connection, self.target.name, schema=self.target.schema):
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

    def write_receipt(self, connection: Connection, receipt: Receipt) -> None:
        connection.execute(
            insert(self.receipt).values(
                attempt=receipt.attempt,
                segment=0,
                final=True,
                intent_hash=receipt.intent_hash,
                revision=receipt.revision,
                direction=receipt.direction,
                manifest=receipt.manifest,
                from_heads=json.dumps(sorted(receipt.from_heads)),
                to_heads=json.dumps(sorted(receipt.to_heads)),
                ledger_seq=receipt.ledger_seq,
                ledger_hash=receipt.ledger_hash,
                at=receipt.at,
            )
        )

    def read_receipt(self, connection: Connection, attempt: str | None = None) -> Receipt | None:
        """The receipt of an attempt, or (None) the one with the highest position in the ledger."""
        if not connection.dialect.has_table(connection, self.receipt.name, schema=self.receipt.schema):
            return None
        query = select(self.receipt).where(self.receipt.c.final)
        if attempt is not None:
            query = query.where(self.receipt.c.attempt == attempt)
        row = connection.execute(query.order_by(self.receipt.c.ledger_seq.desc()).limit(1)).first()
        if row is None:
            return None
        values = dict(row._mapping)
        del values["segment"], values["final"]
        values["from_heads"] = tuple(json.loads(values["from_heads"]))
        values["to_heads"] = tuple(json.loads(values["to_heads"]))
        return Receipt(**values)

    def read_heads(self, connection: Connection, identity: Identity) -> tuple[str, ...]:
        """Rows of Alembic's version table, sorted; empty if there is no such table."""
        schema = identity.version_schema or None
        if not connection.dialect.has_table(connection, identity.version_table, schema=schema):
            return ()
        table = Table(identity.version_table, MetaData(), Column("version_num", String(32)), schema=schema)
        return tuple(sorted(connection.execute(select(table.c.version_num)).scalars()))
