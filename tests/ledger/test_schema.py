"""The ledger's own migrations: current, reversible while empty, and what the models say."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, NullPool, create_engine, inspect, text
from sqlmodel import SQLModel

from migrate_flow.ledger import schema
from migrate_flow.ledger.store import LedgerStore
from migrate_flow.ledger.tables import METADATA
from tests.support.builders import Scribe


@pytest.fixture
def engine(store: LedgerStore, tmp_path: Path) -> Engine:
    return create_engine(f"sqlite:///{tmp_path}/ledger.db", poolclass=NullPool)


def config() -> Config:
    return Config(str(Path(schema.__file__).with_name("alembic.ini")))


def migrate(engine: Engine, target: str) -> None:
    """Up or down, as a maintainer would."""
    settings = config()
    with engine.begin() as connection:
        settings.attributes["connection"] = connection
        (command.downgrade if target == "base" else command.upgrade)(settings, target)


def check(engine: Engine) -> None:
    with closing(sqlite3.connect(str(engine.url.database))) as connection:
        schema.check(connection, "here")


def contents(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return sorted(
            row.sql or row.name for row in connection.execute(text("SELECT name, sql FROM sqlite_master")).all()
        )


def test_the_version_in_the_code_is_the_head_of_the_migrations() -> None:
    assert ScriptDirectory.from_config(config()).get_heads() == [schema.CURRENT]


def test_models_and_migrations_agree(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        found = compare_metadata(context, METADATA)
    assert [difference for difference in found if "ledger_version" not in str(difference)] == []


def test_what_autogenerate_does_not_compare_agrees_too(engine: Engine) -> None:
    """Alembic says nothing of primary keys, WITHOUT ROWID, or whether seq is SQLite's own row number."""
    inspector = inspect(engine)
    for table in METADATA.sorted_tables:
        assert inspector.get_pk_constraint(table.name)["constrained_columns"] == [c.name for c in table.primary_key]
        made = next(sql for sql in contents(engine) if sql.startswith(f"CREATE TABLE {table.name} "))
        assert (made.split()[-2:] == ["WITHOUT", "ROWID"]) is (table.dialect_options["sqlite"]["with_rowid"] is False)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM entry WHERE rowid IS NOT seq")).scalar() == 0
    assert "seq INTEGER NOT NULL" in next(sql for sql in contents(engine) if sql.startswith("CREATE TABLE entry "))


def test_the_ledger_s_tables_are_not_on_the_metadata_that_users_share() -> None:
    assert sorted(METADATA.tables) == ["artifact", "entry"]
    assert SQLModel.metadata is not METADATA
    assert not {"artifact", "entry"} & SQLModel.metadata.tables.keys()


def test_up_down_and_up_again_is_the_same_ledger(engine: Engine, store: LedgerStore) -> None:
    before = contents(engine)
    migrate(engine, "base")
    assert inspect(engine).get_table_names() == [schema.VERSION_TABLE]
    migrate(engine, "head")
    assert contents(engine) == before
    check(engine)
    Scribe(store).opens()


def test_a_ledger_with_entries_is_never_dropped(engine: Engine, scribe: Scribe, store: LedgerStore) -> None:
    before = contents(engine)
    with pytest.raises(RuntimeError, match="the ledger holds entries: it is never dropped"):
        migrate(engine, "base")
    assert contents(engine) == before
    assert list(store.entries()) == scribe.entries
    check(engine)


def test_making_a_ledger_again_changes_nothing(scribe: Scribe, store: LedgerStore, tmp_path: Path) -> None:
    schema.create(tmp_path / "ledger.db")
    assert list(store.entries()) == scribe.entries


def test_a_ledger_is_made_whole_or_not_at_all(engine: Engine, tmp_path: Path) -> None:
    migrate(engine, "base")
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE ledger_version"))
        connection.execute(text("CREATE TABLE artifact (something TEXT)"))
    before = contents(engine)
    with pytest.raises(sqlite3.Error, match="table artifact already exists"):
        schema.create(tmp_path / "ledger.db")
    assert contents(engine) == before
