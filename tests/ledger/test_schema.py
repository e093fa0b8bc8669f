"""The ledger's own migrations: current, reversible while empty, and what the models say."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text
from sqlmodel import SQLModel

from migrate_flow.errors import LedgerError
from migrate_flow.ledger import schema
from migrate_flow.ledger.store import LedgerStore, create_store, locate, open_store
from migrate_flow.ledger.tables import METADATA
from tests.ledger.conftest import URL, Rows, alembic_config, engine_of, migrate, old_ledger, run
from tests.support.builders import Scribe

POSTGRESQL_CONTENTS = (
    "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable "
    "FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2",
    "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
    "SELECT pg_get_triggerdef(oid), tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1",
    "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1",
)


@pytest.fixture
def engine(store: LedgerStore, url: str, tmp_path: Path) -> Engine:
    return engine_of(url, tmp_path)


def contents(engine: Engine) -> list[str]:
    """All that the schema is made of."""
    if engine.dialect.name == "sqlite":
        questions: tuple[str, ...] = ("SELECT coalesce(sql, name) FROM sqlite_master ORDER BY 1",)
    else:
        questions = POSTGRESQL_CONTENTS
    with engine.connect() as connection:
        return [str(row) for question in questions for row in connection.execute(text(question))]


def test_the_version_in_the_code_is_the_head_of_the_migrations() -> None:
    scripts = ScriptDirectory.from_config(alembic_config())
    assert scripts.get_heads() == [schema.CURRENT]
    assert sorted(script.revision for script in scripts.walk_revisions()) == list(schema.VERSIONS)


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
    if engine.dialect.name != "sqlite":
        return
    made = run(URL, Path(str(engine.url.database)).parent, "SELECT name, sql FROM sqlite_master WHERE type = 'table'")
    for table in METADATA.sorted_tables:
        without = dict(made)[table.name].split()[-2:] == ["WITHOUT", "ROWID"]
        assert without is (table.dialect_options["sqlite"]["with_rowid"] is False)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM entry WHERE rowid IS NOT seq")).scalar() == 0
    assert "seq INTEGER NOT NULL" in dict(made)["entry"]


def test_the_ledger_s_tables_are_not_on_the_metadata_that_users_share() -> None:
    assert sorted(METADATA.tables) == ["artifact", "entry"]
    assert SQLModel.metadata is not METADATA
    assert not {"artifact", "entry"} & SQLModel.metadata.tables.keys()


def test_up_down_and_up_again_is_the_same_ledger(engine: Engine, store: LedgerStore, url: str, tmp_path: Path) -> None:
    before = contents(engine)
    migrate(engine, "base")
    assert inspect(engine).get_table_names() == [schema.VERSION_TABLE]
    assert [line for line in contents(engine) if "FUNCTION" in line or "TRIGGER" in line] == []
    migrate(engine, "head")
    assert contents(engine) == before
    open_store(url, tmp_path)
    Scribe(store).opens()


def test_a_ledger_with_entries_is_never_dropped(
    engine: Engine, scribe: Scribe, store: LedgerStore, url: str, tmp_path: Path
) -> None:
    before = contents(engine)
    with pytest.raises(RuntimeError, match="the ledger holds entries: it is never left without its guards"):
        migrate(engine, "base")
    assert contents(engine) == before
    assert list(open_store(url, tmp_path).entries()) == scribe.entries


def test_a_ledger_of_the_first_schema_is_never_dropped_either(url: str, tmp_path: Path, rows: Rows) -> None:
    scribe = Scribe()
    scribe.opens()
    old_ledger(url, tmp_path, scribe.entries, [])
    before = rows()
    with pytest.raises(RuntimeError, match="the ledger holds entries: it is never dropped"):
        migrate(engine_of(url, tmp_path), "base")
    assert rows() == before


def test_a_ledger_is_not_made_over_another_one(scribe: Scribe, store: LedgerStore, url: str, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="there is a ledger already"):
        locate(url, tmp_path).create()
    assert list(store.entries()) == scribe.entries


def test_a_ledger_is_made_whole_or_not_at_all(url: str, tmp_path: Path) -> None:
    """A table of somebody else's is in the way of the second one."""
    with engine_of(url, tmp_path).begin() as connection:
        connection.execute(text("CREATE TABLE artifact (something TEXT)"))
    before = contents(engine_of(url, tmp_path))
    with pytest.raises(LedgerError, match=r'(table artifact|relation "artifact") already exists') as raised:
        create_store(url, tmp_path)
    assert raised.value.exit_code == 4
    assert contents(engine_of(url, tmp_path)) == before
