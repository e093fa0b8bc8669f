"""A role with no more rights than the product needs: it can do everything that the product does, and nothing else."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from migrate_flow.errors import LedgerError, UsageError
from migrate_flow.ledger.store import LedgerStore, create_store, open_store
from tests.ledger.conftest import URL, Rows
from tests.support.builders import Scribe
from tests.support.postgres import PostgresServer, database_name

ROLE = 'app "1"; DROP TABLE x'
FORBIDDEN = {
    "update": "UPDATE entry SET actor = actor",
    "update of nothing": "UPDATE entry SET actor = actor WHERE false",
    "delete": "DELETE FROM entry",
    "truncate": "TRUNCATE entry",
    "alter": "ALTER TABLE entry ADD COLUMN x int",
    "drop": "DROP TABLE entry",
    "disable a trigger": "ALTER TABLE entry DISABLE TRIGGER entry_append",
    "drop a trigger": "DROP TRIGGER entry_append ON entry",
    "replace a trigger's function": "CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql "
    "AS $$ BEGIN RETURN NEW; END $$",
    "a trigger of one's own": "CREATE TRIGGER x BEFORE INSERT ON entry EXECUTE FUNCTION ledger_refuse()",
    "a rule": "CREATE RULE x AS ON INSERT TO entry DO INSTEAD NOTHING",
    "an index": "CREATE INDEX x ON entry (actor)",
    "create": "CREATE TABLE x (y int)",
    "create a temporary table": "CREATE TEMPORARY TABLE entry (y int)",
    "create a schema": "CREATE SCHEMA x",
    "play the replica": "SET session_replication_role = replica",
    "artifact: update": "UPDATE artifact SET content = content",
    "artifact: delete": "DELETE FROM artifact",
    "artifact: truncate": "TRUNCATE artifact",
    "artifact: drop": "DROP TABLE artifact",
    "version: insert": "INSERT INTO ledger_version VALUES ('0009')",
    "version: update": "UPDATE ledger_version SET version_num = '0001'",
    "version: delete": "DELETE FROM ledger_version",
    "a reference": "CREATE TABLE x (seq bigint REFERENCES entry)",
    "an explicit lock": "LOCK TABLE entry IN ACCESS EXCLUSIVE MODE",
    "give it on": "GRANT INSERT ON entry TO PUBLIC",
}


@pytest.fixture
def url(pg_url: str) -> str:
    return pg_url


@pytest.fixture
def role(postgres: PostgresServer, url: str, store: LedgerStore) -> Iterator[str]:
    """The URL of the ledger, for a role with these grants. They were piped into psql, after wider ones."""
    quoted = '"' + ROLE.replace('"', '""') + '"'
    database = database_name(url)
    postgres.execute(f"CREATE ROLE {quoted} LOGIN")
    for wider in (f"GRANT ALL ON entry, ledger_version TO {quoted}", "GRANT ALL ON SCHEMA public TO PUBLIC"):
        postgres.execute(wider, database=database)
    psql = [postgres.programs / "psql", "-X", "-v", "ON_ERROR_STOP=1", "-q", "-U", "postgres", "-h", postgres.folder]
    done = subprocess.run([*psql, database], input=store.grants(ROLE), text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    yield url.replace("postgres@", "app%20%221%22%3B%20DROP%20TABLE%20x@")
    postgres.execute(f"DROP OWNED BY {quoted}", database=database)
    postgres.execute(f"DROP ROLE {quoted}")


def test_the_role_can_do_what_the_product_does(scribe: Scribe, role: str, tmp_path: Path) -> None:
    store = open_store(role, tmp_path)
    assert list(store.entries()) == scribe.entries
    scribe.store = store
    assert scribe.created(artifacts=[b"the script", b"new"]).seq == 7
    assert store.at([7]) == scribe.entries[6:]
    assert len(dict(store.artifacts())) == 3
    assert len(list(store.raw_rows())) == 7


@pytest.mark.fault("A17")
@pytest.mark.parametrize("name", FORBIDDEN)
def test_the_role_can_do_nothing_else(scribe: Scribe, role: str, rows: Rows, name: str) -> None:
    before = rows()
    with psycopg.connect(role.replace("+psycopg", "")) as client:
        try:
            client.execute(FORBIDDEN[name].encode())
        except psycopg.errors.InsufficientPrivilege:
            client.rollback()
        else:
            # GRANT without the right to is a warning in PostgreSQL, and gives nothing.
            assert name == "give it on"
    assert rows() == before


def test_a_role_without_rights_is_told_what_it_lacks(
    scribe: Scribe, role: str, url: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    scribe.store = open_store(role, tmp_path)
    postgres.execute('REVOKE INSERT ON entry FROM "' + ROLE.replace('"', '""') + '"', database=database_name(url))
    with pytest.raises(LedgerError, match="permission denied for table entry") as raised:
        scribe.created()
    assert raised.value.exit_code == 4
    assert "migrate-flow ledger grants --role" in raised.value.hint
    with pytest.raises(LedgerError, match="there is a ledger already"):
        create_store(role, tmp_path)


def test_nobody_else_gets_in(role: str, url: str, postgres: PostgresServer, tmp_path: Path) -> None:
    postgres.execute("CREATE ROLE stranger LOGIN")
    try:
        with pytest.raises(LedgerError, match="permission denied for database"):
            open_store(url.replace("postgres@", "stranger@"), tmp_path)
    finally:
        postgres.execute("DROP ROLE stranger")


@pytest.mark.parametrize("name", ["", "two\nlines", "x" * 64, "nul\0"])
def test_a_role_that_can_not_be_named(store: LedgerStore, name: str) -> None:
    with pytest.raises(UsageError, match="a role's name has"):
        store.grants(name)


def test_a_file_has_no_grants(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="grants are PostgreSQL's") as raised:
        create_store(URL, tmp_path).grants("app")
    assert raised.value.exit_code == 2
