"""A ledger on a file belongs to whoever owns the file: what is changed there is refused, or found and named."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from migrate_flow.errors import LedgerError
from migrate_flow.ledger.store import LedgerStore
from tests.ledger.conftest import URL, Rows
from tests.support.builders import BOB, Scribe


@pytest.fixture
def url() -> str:
    return URL


COLUMNS = "seq, prev, hash, statement, signature, kind, revision, environment, actor, at"
FOURTH = "SELECT {} FROM entry WHERE seq = 4"


def connect(tmp_path: Path, *, recursive: bool = False) -> sqlite3.Connection:
    """A plain client, as a person would open the file."""
    connection = sqlite3.connect(tmp_path / "ledger.db")
    connection.execute(f"PRAGMA recursive_triggers = {'ON' if recursive else 'OFF'}")
    return connection


def copied(**values: str) -> str:
    """A SELECT of entry 4 with some columns replaced by SQL expressions."""
    return FOURTH.format(", ".join(values.get(name, name) for name in COLUMNS.split(", ")))


HEAD = "(SELECT hash FROM entry ORDER BY seq DESC LIMIT 1)"
NEW = "'" + "ab" * 32 + "'"
REFUSED = {
    "update": "UPDATE entry SET actor = 'bob@example.com' WHERE seq = 4",
    "update of nothing": "UPDATE entry SET actor = actor WHERE seq = 4",
    "update or replace": "UPDATE OR REPLACE entry SET seq = 3 WHERE seq = 4",
    "delete": "DELETE FROM entry WHERE seq = 6",
    "delete all": "DELETE FROM entry",
    "replace": f"INSERT OR REPLACE INTO entry {copied(hash=NEW)}",
    "replace into": f"REPLACE INTO entry {copied()}",
    "replace by hash": f"INSERT OR REPLACE INTO entry {copied(seq='7', prev=HEAD)}",
    "replace by prev": f"INSERT OR REPLACE INTO entry {copied(seq='7', hash=NEW)}",
    "replace by rowid": f"INSERT OR REPLACE INTO entry (rowid, {COLUMNS}) "
    + FOURTH.format(f"4, {COLUMNS}").replace("4, seq", "4, 7"),
    "upsert": f"INSERT INTO entry {copied()} ON CONFLICT (seq) DO UPDATE SET actor = 'bob@example.com'",
    "insert with a gap": f"INSERT INTO entry {copied(seq='8', prev=HEAD, hash=NEW)}",
    "insert before": f"INSERT INTO entry {copied(seq='0', prev=HEAD, hash=NEW)}",
    "insert below": f"INSERT INTO entry {copied(seq='-1', prev=HEAD, hash=NEW)}",
    "insert without a position": f"INSERT INTO entry {copied(seq='NULL', prev=HEAD, hash=NEW)}",
    "insert onto another": f"INSERT INTO entry {copied(seq='7', prev='hash', hash=NEW)}",
    "insert or ignore": f"INSERT OR IGNORE INTO entry {copied(seq='9', prev=HEAD, hash=NEW)}",
    "artifact: update": "UPDATE artifact SET content = x'00'",
    "artifact: delete": "DELETE FROM artifact",
    "artifact: replace": "INSERT OR REPLACE INTO artifact SELECT sha256, x'00' FROM artifact",
    "artifact: upsert": "INSERT INTO artifact SELECT sha256, x'00' FROM artifact WHERE true "
    "ON CONFLICT (sha256) DO UPDATE SET content = excluded.content",
    "artifact: replace by rowid": "INSERT OR REPLACE INTO artifact (rowid, sha256, content) VALUES (1, 'x', x'00')",
}


@pytest.mark.fault("A17")
@pytest.mark.parametrize("recursive", [False, True], ids=["stock client", "recursive triggers"])
@pytest.mark.parametrize("name", REFUSED)
def test_a_plain_client_changes_nothing(
    store: LedgerStore, scribe: Scribe, tmp_path: Path, name: str, recursive: bool
) -> None:
    artifacts = dict(store.artifacts())
    client = connect(tmp_path, recursive=recursive)
    with pytest.raises(sqlite3.Error, match=r"append-only|no column named rowid"):
        client.execute(REFUSED[name])
    client.commit()
    client.close()
    assert list(store.entries()) == scribe.entries
    assert dict(store.artifacts()) == artifacts


def test_a_plain_client_may_append_what_continues_the_chain(store: LedgerStore, scribe: Scribe, tmp_path: Path) -> None:
    """The triggers know nothing of hashes and signatures; reading does."""
    client = connect(tmp_path)
    client.execute(f"INSERT INTO entry {copied(seq='7', prev=HEAD, hash=NEW)}")
    client.commit()
    client.close()
    with pytest.raises(LedgerError, match="entry 7 does not continue the chain"):
        list(store.entries())


def tamper(tmp_path: Path, sql: str, *values: object) -> None:
    """What the owner of the file can do after taking the triggers away."""
    with connect(tmp_path) as client:
        for (trigger,) in client.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            client.execute(f"DROP TRIGGER {trigger}")
        client.execute(sql, values)
    client.close()


def flipped(data: bytes, index: int) -> bytes:
    return data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :]


def broken(store: LedgerStore) -> str:
    with pytest.raises(LedgerError, match="the ledger can't be trusted: entry") as raised:
        list(store.entries())
    assert (raised.value.exit_code, raised.value.where) == (4, "ledger.db")
    return raised.value.message


@pytest.mark.parametrize("column", COLUMNS.split(", ")[1:])
def test_a_flipped_byte_anywhere_is_found_and_named(
    store: LedgerStore, scribe: Scribe, tmp_path: Path, column: str
) -> None:
    """Every byte of the shorter columns of the last entry, and every seventh of its statement and signature."""
    value = getattr(scribe.entries[5], column)
    data = value if isinstance(value, bytes) else value.encode()
    as_stored = "?" if isinstance(value, bytes) else "CAST(? AS TEXT)"
    tamper(tmp_path, "SELECT 1")
    for index in range(0, len(data), 7 if len(data) > 100 else 1):
        tamper(tmp_path, f"UPDATE entry SET {column} = {as_stored} WHERE seq = 6", flipped(data, index))
        assert "entry 6" in broken(store), index
    tamper(tmp_path, f"UPDATE entry SET {column} = {as_stored} WHERE seq = 6", data)
    assert list(store.entries()) == scribe.entries


@pytest.mark.parametrize("seq", [1, 2, 4, 6])
@pytest.mark.parametrize("column", ["prev", "hash", "statement", "signature", "actor"])
def test_every_position_is_checked(store: LedgerStore, scribe: Scribe, tmp_path: Path, column: str, seq: int) -> None:
    tamper(tmp_path, f"UPDATE entry SET {column} = ? WHERE seq = ?", "x", seq)
    assert f"entry {seq}" in broken(store)
    if seq == 6:
        assert list(store.entries(after=6)) == [] or column == "hash"
    with pytest.raises(LedgerError, match=f"entry {seq}"):
        store.at([seq])


@pytest.mark.parametrize("value", ["7", "99999999999", "1.5", "x'fffe'", "'text'", "CAST(x'ff' AS TEXT)"])
@pytest.mark.parametrize("column", COLUMNS.split(", ")[1:])
def test_a_value_of_another_type_is_found_and_named(
    store: LedgerStore, scribe: Scribe, tmp_path: Path, column: str, value: str
) -> None:
    tamper(tmp_path, f"UPDATE entry SET {column} = {value} WHERE seq = 4")
    assert "entry 4" in broken(store)
    assert [row[0] for row in store.raw_rows()] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("seq", range(1, 6))
def test_a_missing_entry_is_found_and_named(store: LedgerStore, scribe: Scribe, tmp_path: Path, seq: int) -> None:
    tamper(tmp_path, "DELETE FROM entry WHERE seq = ?", seq)
    assert f"entry {seq} is missing" in broken(store)


def test_two_entries_that_changed_places_are_found(store: LedgerStore, scribe: Scribe, tmp_path: Path) -> None:
    for old, new in ((4, 99), (5, 4), (99, 5)):
        tamper(tmp_path, "UPDATE entry SET seq = ? WHERE seq = ?", new, old)
    assert "entry 4 does not continue the chain" in broken(store)


def test_a_cut_off_end_is_found_by_whoever_has_seen_it(store: LedgerStore, scribe: Scribe, tmp_path: Path) -> None:
    tamper(tmp_path, "DELETE FROM entry WHERE seq = 6")
    with pytest.raises(LedgerError, match="entry 6 is gone"):
        list(store.entries(after=6))
    with pytest.raises(LedgerError, match="entry 6 is gone"):
        scribe.reviewed(BOB)


def test_an_appender_finds_what_was_changed_behind_its_back(store: LedgerStore, scribe: Scribe, tmp_path: Path) -> None:
    scribe.entries.pop()
    tamper(tmp_path, "UPDATE entry SET actor = 'bob@example.com' WHERE seq = 6")
    with pytest.raises(LedgerError, match="entry 6: column actor is not what the statement says"):
        scribe.reviewed(BOB)


@pytest.mark.parametrize("value", [b"other bytes", b"", "text", 7, 99_999_999_999], ids=repr)
def test_an_artifact_with_other_bytes_is_refused(
    store: LedgerStore, scribe: Scribe, tmp_path: Path, value: object
) -> None:
    digest = next(iter(dict(store.artifacts())))
    tamper(tmp_path, "UPDATE artifact SET content = ? WHERE sha256 = ?", value, digest)
    with pytest.raises(LedgerError, match=f"artifact {digest[:12]}… does not have the bytes of its digest"):
        store.artifact(digest)
    assert [found for found, _content in store.artifacts()] == [digest, *set(dict(store.artifacts())) - {digest}]


BYTES = "'" + "ab" * 32 + "'"
OTHER_TYPES = {
    "statement": ("'text'", "7", "NULL"),
    "signature": ("x'00'", "NULL"),
    "hash": ("x'" + "ab" * 32 + "'", "x'" + "61" * 64 + "'", "'ab'", "'" + "AB" * 32 + "'", "'" + "zz" * 32 + "'"),
    "kind": ("x'00'",),
    "actor": ("x'00'",),
    "at": ("x'00'",),
    "revision": ("x'00'",),
    "environment": ("x'00'",),
}


@pytest.mark.parametrize(
    ("column", "value"), [(column, value) for column, values in OTHER_TYPES.items() for value in values]
)
def test_a_value_of_another_type_is_refused(
    scribe: Scribe, tmp_path: Path, rows: Rows, column: str, value: str
) -> None:
    before = rows()
    client = connect(tmp_path)
    with pytest.raises(sqlite3.IntegrityError, match=r"declared types|NOT NULL"):
        client.execute(f"INSERT INTO entry {copied(**{'seq': '7', 'prev': HEAD, 'hash': NEW, column: value})}")
    client.close()
    assert rows() == before


def test_a_position_that_is_no_number_is_refused(scribe: Scribe, tmp_path: Path, rows: Rows) -> None:
    before = rows()
    client = connect(tmp_path)
    for value in ("'seven'", "x'07'", "7.5"):
        with pytest.raises(sqlite3.Error, match="datatype mismatch"):
            client.execute(f"INSERT INTO entry {copied(seq=value, prev=HEAD, hash=NEW)}")
    client.close()
    assert rows() == before


@pytest.mark.parametrize("values", [f"{BYTES}, 'text'", f"{BYTES}, 7", f"CAST({BYTES} AS BLOB), x'00'", "'ab', x'00'"])
def test_an_artifact_of_another_type_is_refused(scribe: Scribe, tmp_path: Path, rows: Rows, values: str) -> None:
    before = rows()
    client = connect(tmp_path)
    with pytest.raises(sqlite3.IntegrityError, match="declared types"):
        client.execute(f"INSERT INTO artifact (sha256, content) VALUES ({values})")
    client.close()
    assert rows() == before
