"""The ledger's tables, on metadata of their own so that they never show up in a user's autogenerate."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

_POSITION = BigInteger().with_variant(Integer, "sqlite")


class LedgerModel(SQLModel, registry=registry()):
    """Base of the ledger's own registry."""


class EntryRow(LedgerModel, table=True):
    """One entry. statement and signature are stored as exact bytes; kind and what follows are projections."""

    __tablename__ = "entry"

    seq: int = Field(sa_column=Column(_POSITION, primary_key=True, autoincrement=False))
    prev: str = Field(sa_column=Column(String(64), nullable=False, unique=True))
    hash: str = Field(sa_column=Column(String(64), nullable=False, unique=True))
    statement: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    signature: str = Field(sa_column=Column(Text, nullable=False))
    kind: str = Field(sa_column=Column(String(64), nullable=False))
    revision: str | None = Field(default=None, sa_column=Column(String(64), index=True))
    environment: str | None = Field(default=None, sa_column=Column(String(64)))
    actor: str = Field(sa_column=Column(String(255), nullable=False))
    at: str = Field(sa_column=Column(String(32), nullable=False))


class ArtifactRow(LedgerModel, table=True):
    """Bytes that entries speak of, by their digest: scripts, rendered SQL, later snapshots and reports."""

    __tablename__ = "artifact"
    __table_args__ = {"sqlite_with_rowid": False}

    sha256: str = Field(sa_column=Column(String(64), primary_key=True))
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


METADATA = LedgerModel.metadata
