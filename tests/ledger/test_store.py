"""Appending and reading: exact bytes, one order, all or nothing."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from migrate_flow.core.chain import EMPTY, Head
from migrate_flow.core.entry import Entry, Kind
from migrate_flow.core.lifecycle import fold
from migrate_flow.errors import BusyError, ConfigError, LedgerError, Refused
from migrate_flow.ledger import store as module
from migrate_flow.ledger.store import LedgerStore, create_store, open_store
from migrate_flow.signing.sshsig import public_key_of, verify
from tests.ledger.conftest import URL
from tests.support.builders import ADA, BOB, CY, DAN, REV, Scribe, public_key

REPOSITORY = Path(__file__).parents[2]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def nothing_new(_entries: Sequence[Entry]) -> None:
    raise AssertionError("nobody else wrote")


def rows(path: Path) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT * FROM entry ORDER BY seq").fetchall()
        return found + connection.execute("SELECT * FROM artifact ORDER BY sha256").fetchall()


def test_what_is_read_is_what_was_signed(store: LedgerStore, scribe: Scribe) -> None:
    read = list(store.entries())
    assert read == scribe.entries
    assert [verify(entry.statement, entry.signature) for entry in read] == [public_key(e.actor) for e in read]
    assert fold(read, public_key_of).flawed == []


def test_another_process_reads_the_same(scribe: Scribe, tmp_path: Path) -> None:
    assert rows(tmp_path / "ledger.db")[:6] == [
        (e.seq, e.prev, e.hash, e.statement, e.signature, e.kind, e.revision, e.environment, e.actor, e.at)
        for e in scribe.entries
    ]
    again = open_store(URL, tmp_path)
    assert list(again.entries()) == scribe.entries
    assert again.describe() == "ledger.db"


def test_reading_from_a_position_on(store: LedgerStore, scribe: Scribe) -> None:
    assert list(store.entries(after=4)) == scribe.entries[4:]
    assert list(store.entries(after=6)) == []
    assert store.at([5, 2]) == [scribe.entries[1], scribe.entries[4]]
    with pytest.raises(LedgerError, match="entry 7 is gone"):
        list(store.entries(after=7))


def test_a_long_ledger_is_read_in_parts(scribe: Scribe, store: LedgerStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BATCH", 2)
    assert list(store.entries()) == scribe.entries
    assert store.at(range(1, 7)) == scribe.entries
    assert [row["seq"] for row in store.raw_rows()] == [1, 2, 3, 4, 5, 6]


def test_artifacts_are_stored_once_by_their_digest(store: LedgerStore, scribe: Scribe) -> None:
    assert store.artifact(sha256(b"the script")) == b"the script"
    assert store.artifact(sha256(b"unknown")) is None
    assert dict(store.artifacts()) == {sha256(content): content for content in (b"the script", b"the SQL")}
    scribe.created(artifacts=iter([b"", bytes(range(256)), b""]))
    assert store.artifact(sha256(b"")) == b""
    assert store.artifact(sha256(bytes(range(256)))) == bytes(range(256))


def test_an_appender_is_given_exactly_what_it_has_not_seen(store: LedgerStore, scribe: Scribe) -> None:
    given: list[list[Entry]] = []
    for seen in (scribe.entries[3].head, scribe.entries[0].head, EMPTY):
        signed = scribe.sign(BOB, Kind.REVIEWED, revision=REV, verdict="approve", manifest="m", _nonce=str(seen))
        scribe.entries.append(store.append(*signed, (), seen=seen, recheck=lambda new: given.append(list(new))))
    entries = list(store.entries())
    assert given == [entries[4:6], entries[1:7], entries[0:8]]
    store.append(*scribe.sign(BOB, Kind.REVIEWED), (), seen=entries[-1].head, recheck=nothing_new)


@pytest.mark.parametrize("seen", [Head(3, "ab" * 32), Head(99, "ab" * 32), Head(0, "ab" * 32)])
def test_an_appender_who_has_seen_another_past_is_refused(store: LedgerStore, scribe: Scribe, seen: Head) -> None:
    with pytest.raises(LedgerError, match="can't be trusted: entry") as raised:
        store.append(*scribe.sign(BOB, Kind.REVIEWED), (), seen=seen, recheck=lambda _new: None)
    assert raised.value.exit_code == 4
    assert list(store.entries()) == scribe.entries


@pytest.mark.parametrize("error", [Refused("no", hint="wait"), KeyboardInterrupt(), ValueError("a bug")])
def test_a_refusal_at_the_last_moment_leaves_nothing_behind(
    store: LedgerStore, scribe: Scribe, tmp_path: Path, error: BaseException
) -> None:
    def refuse(_entries: Sequence[Entry]) -> None:
        raise error

    before = rows(tmp_path / "ledger.db")
    with pytest.raises(type(error)):
        store.append(*scribe.sign(BOB, Kind.REVIEWED), [b"new"], seen=EMPTY, recheck=refuse)
    assert rows(tmp_path / "ledger.db") == before
    scribe.reviewed(DAN)  # and holds no lock


def test_what_is_no_statement_is_not_stored(store: LedgerStore, scribe: Scribe, tmp_path: Path) -> None:
    before = rows(tmp_path / "ledger.db")
    for statement in (b"{}", b"[]", b"not JSON", b'{"predicate":[]}'):
        with pytest.raises((ValueError, KeyError, TypeError)):
            store.append(statement, "signature", [b"new"], seen=scribe.head, recheck=nothing_new)
    assert rows(tmp_path / "ledger.db") == before


def test_a_full_disk_leaves_nothing_behind(scribe: Scribe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = module._connect

    def small(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        connection.execute("PRAGMA max_page_count = 1")  # SQLite takes it as: as many as there are
        return connection

    monkeypatch.setattr(module, "_connect", small)
    before = rows(tmp_path / "ledger.db")
    with pytest.raises(LedgerError, match="full") as raised:
        scribe.created(artifacts=[b"x" * 100_000])
    assert (raised.value.exit_code, raised.value.where) == (4, "ledger.db")
    assert rows(tmp_path / "ledger.db") == before


def test_an_error_after_which_sqlite_has_rolled_back_itself_is_told_as_it_was(scribe: Scribe, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute(
            "CREATE TRIGGER io BEFORE INSERT ON entry BEGIN SELECT RAISE(ROLLBACK, 'disk I/O error'); END"
        )
    connection.close()
    before = rows(tmp_path / "ledger.db")
    with pytest.raises(LedgerError, match="disk I/O error"):
        scribe.created(artifacts=[b"new"])
    assert rows(tmp_path / "ledger.db") == before


@pytest.mark.parametrize("lock", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE", "BEGIN; SELECT * FROM entry"])
def test_a_locked_ledger_is_busy_after_a_bounded_time(
    scribe: Scribe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lock: str
) -> None:
    monkeypatch.setattr(module, "BUSY_TIMEOUT_MS", 50)
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
    with closing(module._connect(tmp_path / "ledger.db")) as connection:
        assert {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted} == wanted


def test_four_processes_append_at_once_without_fork_gap_or_loss(
    scribe: Scribe, store: LedgerStore, tmp_path: Path
) -> None:
    people, count = (ADA, BOB, CY, DAN), 12
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.ledger.appender", tmp_path / "ledger.db", person, str(count)],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for person in people
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    entries = list(store.entries())
    assert [entry.seq for entry in entries] == list(range(1, 7 + len(people) * count))
    assert sorted(entry.actor for entry in entries[6:]) == sorted([*people] * count)
    for person, seen in zip(people, told, strict=True):
        own = [entry.seq for entry in entries[6:] if entry.actor == person]
        assert len(own) == count
        assert seen == list(range(1, own[-1] + 1)), "each entry once, in order, up to one's own last"
    assert fold(entries, public_key_of).flawed == []
    assert dict(store.artifacts()).keys() >= {
        sha256(f"{person} {n}".encode()) for person in people for n in range(count)
    }


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


def test_a_second_ledger_is_not_made_over_the_first(scribe: Scribe, store: LedgerStore, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="there is a ledger already"):
        create_store(URL, tmp_path)
    assert list(store.entries()) == scribe.entries


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


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "can't be read"),
        ("ledger.db", "can't be read"),
        ("postgresql://ada:s3cret@host/ledger", "a ledger on postgresql is not supported"),
        ("nosuch://x", "a ledger on nosuch is not supported"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
    ],
)
def test_an_unusable_url_is_an_error_of_the_configuration(tmp_path: Path, url: str, problem: str) -> None:
    for function in (open_store, create_store):
        with pytest.raises(ConfigError, match=problem) as raised:
            function(url, tmp_path)
        assert (raised.value.exit_code, raised.value.where) == (2, "[ledger] url")
        assert "s3cret" not in f"{raised.value.message}{raised.value.hint}"
