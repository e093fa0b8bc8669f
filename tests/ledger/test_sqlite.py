"""What a file brings with it: locks of the operating system, a full disk, strange paths."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from migrate_flow.errors import BusyError, LedgerError
from migrate_flow.ledger import sqlite as module
from migrate_flow.ledger.store import LedgerStore, create_store, open_store
from tests.ledger.conftest import URL, Rows
from tests.support.builders import Scribe


@pytest.fixture
def url() -> str:
    return URL


def test_a_full_disk_leaves_nothing_behind(
    scribe: Scribe, rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = module.connect

    def small(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        connection.execute("PRAGMA max_page_count = 1")  # SQLite takes it as: as many as there are
        return connection

    monkeypatch.setattr(module, "connect", small)
    scribe.store = open_store(URL, tmp_path)
    before = rows()
    with pytest.raises(LedgerError, match="full") as raised:
        scribe.created(artifacts=[b"x" * 100_000])
    assert (raised.value.exit_code, raised.value.where) == (4, "ledger.db")
    assert rows() == before


def test_an_error_after_which_sqlite_has_rolled_back_itself_is_told_as_it_was(
    scribe: Scribe, tmp_path: Path, rows: Rows
) -> None:
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute(
            "CREATE TRIGGER io BEFORE INSERT ON entry BEGIN SELECT RAISE(ROLLBACK, 'disk I/O error'); END"
        )
    connection.close()
    before = rows()
    with pytest.raises(LedgerError, match="disk I/O error"):
        scribe.created(artifacts=[b"new"])
    assert rows() == before


@pytest.mark.parametrize("lock", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE", "BEGIN; SELECT * FROM entry"])
def test_a_locked_ledger_is_busy_after_a_bounded_time(
    scribe: Scribe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lock: str
) -> None:
    monkeypatch.setattr(module, "BUSY_TIMEOUT_MS", 50)
    scribe.store = open_store(URL, tmp_path)
    holder = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    for statement in lock.split("; "):
        holder.execute(statement).fetchone()
    with pytest.raises(BusyError, match="another process writes to the ledger") as raised:
        scribe.created(artifacts=[b"new"])
    assert raised.value.exit_code == 5
    holder.close()
    assert scribe.created().seq == 7


def test_readers_do_not_wait_for_a_writer(store: LedgerStore, scribe: Scribe, tmp_path: Path) -> None:
    writer = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    assert list(store.entries()) == scribe.entries
    writer.close()


def test_entries_survive_a_power_cut(scribe: Scribe, tmp_path: Path) -> None:
    wanted = {"journal_mode": "delete", "synchronous": 3}
    with closing(module.connect(tmp_path / "ledger.db")) as connection:
        assert {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted} == wanted


def test_there_is_no_ledger_yet(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="there is no ledger yet") as raised:
        open_store(URL, tmp_path)
    assert (raised.value.exit_code, raised.value.hint, raised.value.where) == (4, "migrate-flow init", "ledger.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "there is no ledger in this database"), (b"no database at all" * 100, "file is not a database")],
)
def test_another_file_is_no_ledger(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "ledger.db").write_bytes(content)
    with pytest.raises(LedgerError, match=problem) as raised:
        open_store(URL, tmp_path)
    assert raised.value.exit_code == 4
    assert (tmp_path / "ledger.db").read_bytes() == content


def test_a_folder_is_no_ledger(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").mkdir()
    with pytest.raises(LedgerError):
        open_store(URL, tmp_path)


@pytest.mark.parametrize("folder", ["plain", "deep/er", "what?a=b", "50%25", "with space", "#hash", "tür"])
def test_a_ledger_lies_where_the_url_says_whatever_the_folder_is_called(tmp_path: Path, folder: str) -> None:
    root = tmp_path / folder
    root.mkdir(parents=True)
    create_store("sqlite:///.migrate-flow/ledger.db", root)
    assert (root / ".migrate-flow" / "ledger.db").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == [folder.partition("/")[0]]
    assert list(open_store("sqlite:///.migrate-flow/ledger.db", root).entries()) == []


def test_an_absolute_url_is_taken_as_it_is(tmp_path: Path) -> None:
    create_store(f"sqlite:///{tmp_path}/ledger.db", Path("/nowhere"))
    assert (tmp_path / "ledger.db").is_file()


def test_a_connection_is_kept_only_while_nobody_else_touches_the_file(
    store: LedgerStore, scribe: Scribe, tmp_path: Path
) -> None:
    """Restored in place, put in another's place, taken away: each is seen at the next call."""
    file = tmp_path / "ledger.db"
    backup = file.read_bytes()
    scribe.created()
    assert len(list(store.entries())) == 7
    file.write_bytes(backup)
    assert len(list(store.entries())) == 6
    with pytest.raises(LedgerError, match="entry 7 is gone"):
        scribe.created()
    (tmp_path / "other.db").write_bytes(backup)
    (tmp_path / "other.db").replace(file)
    assert list(store.entries()) == scribe.entries[:6]
    file.unlink()
    with pytest.raises(LedgerError):
        list(store.entries())
    assert not file.exists()


def test_a_reader_who_stops_half_way_keeps_no_lock(store: LedgerStore, scribe: Scribe, tmp_path: Path) -> None:
    reading = store.entries()
    next(reading)
    del reading
    with closing(sqlite3.connect(tmp_path / "ledger.db", timeout=0, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")


@pytest.mark.parametrize("byte", [b"\xb3", b"\x01"])
def test_a_damaged_file_is_an_error_of_the_ledger(scribe: Scribe, tmp_path: Path, byte: bytes) -> None:
    """SQLite quotes what it can't read, and the driver can't read the quotation."""
    file = tmp_path / "ledger.db"
    file.write_bytes(
        file.read_bytes().replace(b"CREATE TRIGGER entry_append", b"CREATE TRIGGER" + byte + b"entry_append")
    )
    with pytest.raises(LedgerError, match=r"damaged|malformed") as raised:
        open_store(URL, tmp_path)
    assert raised.value.exit_code == 4
