"""Ledgers of other versions: older ones are read and upgraded without a byte changing, newer ones are refused."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection

from migrate_flow.core.lifecycle import fold
from migrate_flow.errors import BusyError, LedgerError
from migrate_flow.ledger import postgresql, schema, sqlite
from migrate_flow.ledger.store import LedgerStore, Upgraded, create_store, open_store
from migrate_flow.signing.sshsig import public_key_of
from tests.ledger.conftest import Rows, old_ledger, run
from tests.support.builders import Scribe


@pytest.fixture
def old(url: str, tmp_path: Path) -> Scribe:
    """What was written to a ledger that is of the first schema, and is opened as such."""
    (tmp_path / "made").mkdir()
    scribe = Scribe(create_store("sqlite:///made/ledger.db", tmp_path))
    scribe.opens()
    scribe.created(artifacts=[b"the script", b""])
    scribe.self_reviewed()
    assert scribe.store is not None
    old_ledger(url, tmp_path, scribe.entries, scribe.store.artifacts())
    scribe.store = open_store(url, tmp_path)
    return scribe


def store_of(scribe: Scribe) -> LedgerStore:
    assert scribe.store is not None
    return scribe.store


def test_an_older_ledger_is_read_as_it_is(old: Scribe, url: str, tmp_path: Path) -> None:
    store = store_of(old)
    assert list(store.entries()) == old.entries
    assert store.at([2]) == old.entries[1:2]
    assert len(dict(store.artifacts())) == 2
    assert fold(store.entries(), public_key_of).flawed == []
    assert run(url, tmp_path, "SELECT version_num FROM ledger_version") == [("0001",)]


def test_nothing_is_appended_to_an_older_ledger(old: Scribe, rows: Rows) -> None:
    before = rows()
    with pytest.raises(LedgerError, match="the ledger has schema 0001") as raised:
        old.created()
    assert (raised.value.exit_code, raised.value.hint) == (4, "migrate-flow ledger upgrade")
    assert rows() == before


def test_an_upgrade_leaves_every_byte(old: Scribe, rows: Rows, url: str, tmp_path: Path) -> None:
    before = rows()
    done = store_of(old).upgrade()
    assert (done.before, done.after) == ("0001", schema.CURRENT)
    assert rows() == before
    assert old.created().seq == 4
    assert open_store(url, tmp_path).upgrade() == Upgraded(schema.CURRENT, schema.CURRENT)
    with pytest.raises((sqlite3.Error, psycopg.Error), match="append-only"):
        run(url, tmp_path, "INSERT INTO artifact VALUES ('ab', 'cd')")


def test_on_sqlite_the_file_is_kept_as_it_was(old: Scribe, url: str, tmp_path: Path, rows: Rows) -> None:
    if url.startswith("postgresql"):
        assert store_of(old).upgrade().backup == "", "backups are the server's matter"
        return
    before = rows()
    (tmp_path / "ledger.db").chmod(0o640)
    (tmp_path / "ledger.db.0001.bak").write_text("somebody's")
    assert store_of(old).upgrade().backup == "ledger.db.0001.2.bak"
    kept = tmp_path / "ledger.db.0001.2.bak"
    assert kept.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "ledger.db.0001.bak").read_text() == "somebody's"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["made", "ledger.db", "ledger.db.0001.bak", kept.name]
    )
    kept.replace(tmp_path / "ledger.db")  # which is how one goes back
    assert rows() == before
    assert run(url, tmp_path, "SELECT version_num FROM ledger_version") == [("0001",)]
    assert list(open_store(url, tmp_path).entries()) == old.entries


def test_an_upgrade_that_would_change_a_byte_does_not_happen(
    old: Scribe, url: str, tmp_path: Path, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = schema.bring_to_current

    def treacherous(connection: Connection) -> None:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("DROP TRIGGER artifact_no_update")
        connection.exec_driver_sql("UPDATE artifact SET content = content WHERE sha256 = 'none'")
        byte = "x'00'" if connection.dialect.name == "sqlite" else "'\\x00'"
        connection.exec_driver_sql(f"UPDATE artifact SET content = {byte} WHERE length(content) = 0")
        real(connection)

    monkeypatch.setattr(schema, "bring_to_current", treacherous)
    before = rows()
    with pytest.raises(LedgerError, match="the upgrade would change what the ledger holds") as raised:
        store_of(old).upgrade()
    assert raised.value.exit_code == 4
    assert rows() == before
    assert run(url, tmp_path, "SELECT version_num FROM ledger_version") == [("0001",)]
    monkeypatch.undo()
    assert open_store(url, tmp_path).upgrade().after == schema.CURRENT


def test_an_upgrade_waits_for_a_writer_for_a_bounded_time(
    old: Scribe, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_MS", 50)
    monkeypatch.setattr(postgresql, "_WRITE", postgresql._WRITE.replace(postgresql.LOCK_TIMEOUT, "50ms"))
    other = open_store(url, tmp_path)
    with other.write(), pytest.raises(BusyError, match="another process writes to the ledger"):
        store_of(old).upgrade()
    assert store_of(old).upgrade().after == schema.CURRENT


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("UPDATE ledger_version SET version_num = '9999'", "it was made by a newer migrate-flow"),
        ("UPDATE ledger_version SET version_num = 'abcd'", "the ledger has schema abcd, this version"),
        ("DELETE FROM ledger_version", r"the ledger has schema \?, this version"),
    ],
)
def test_a_ledger_of_an_unknown_version_is_refused(
    scribe: Scribe, url: str, tmp_path: Path, change: str, problem: str
) -> None:
    run(url, tmp_path, change)
    with pytest.raises(LedgerError, match=problem) as raised:
        open_store(url, tmp_path)
    assert raised.value.exit_code == 4
    assert ("pip install --upgrade" in raised.value.hint) is ("newer" in problem)
