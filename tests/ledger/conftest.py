from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, NullPool, create_engine

from migrate_flow.core.entry import Entry
from migrate_flow.ledger import schema
from migrate_flow.ledger.store import LedgerStore, create_store, locate
from tests.support.builders import Scribe

URL = "sqlite:///ledger.db"
DATABASES = ("sqlite", "postgresql")

Rows = Callable[[], list[Any]]


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest) -> str:
    """Where the test's ledger lies: a file in tmp_path, then an empty database of a real server."""
    return URL if request.param == "sqlite" else str(request.getfixturevalue("pg_url"))


@pytest.fixture
def store(url: str, tmp_path: Path) -> LedgerStore:
    """A new, empty ledger."""
    return create_store(url, tmp_path)


@pytest.fixture
def scribe(store: LedgerStore) -> Scribe:
    """Six entries in the store: opened, created, self-reviewed, reviewed, approved, intended."""
    scribe = Scribe(store)
    scribe.opens()
    scribe.created(artifacts=[b"the script"])
    scribe.self_reviewed(artifacts=[b"the script", b"the SQL"])
    scribe.reviewed()
    scribe.approved()
    scribe.intends()
    return scribe


def run(url: str, tmp_path: Path, *statements: str) -> list[Any]:
    """As a client that knows nothing of us, in one transaction; the rows of the last statement."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection, connection:
            return [connection.execute(statement).fetchall() for statement in statements][-1]
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        found = [connection.execute(statement.encode()) for statement in statements]
        return found[-1].fetchall() if found[-1].description else []


@pytest.fixture
def rows(url: str, tmp_path: Path) -> Rows:
    """``rows()``: all that is stored now, read without us."""

    def read() -> list[Any]:
        found = run(url, tmp_path, "SELECT * FROM entry ORDER BY seq")
        return found + run(url, tmp_path, "SELECT * FROM artifact ORDER BY sha256")

    return read


def alembic_config() -> Config:
    return Config(str(Path(schema.__file__).with_name("alembic.ini")))


def engine_of(url: str, tmp_path: Path) -> Engine:
    return create_engine(url.replace("sqlite:///", f"sqlite:///{tmp_path}/"), poolclass=NullPool)


def migrate(engine: Engine, target: str) -> None:
    """Up to a revision or the head, down to base, as a maintainer would."""
    settings = alembic_config()
    with engine.begin() as connection:
        settings.attributes["connection"] = connection
        (command.downgrade if target == "base" else command.upgrade)(settings, target)


def old_ledger(url: str, tmp_path: Path, entries: Iterable[Entry], artifacts: Iterable[tuple[str, bytes]]) -> None:
    """A ledger of the first schema."""
    migrate(engine_of(url, tmp_path), "0001")
    with locate(url, tmp_path).write() as transaction:
        transaction.add_artifacts(artifacts)
        transaction.add_entries(entries)
