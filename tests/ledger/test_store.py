"""Appending and reading, on SQLite and on PostgreSQL: exact bytes, one order, all or nothing."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from migrate_flow.core.chain import EMPTY, Head
from migrate_flow.core.entry import Entry, Kind
from migrate_flow.core.lifecycle import fold
from migrate_flow.errors import ConfigError, LedgerError, Refused
from migrate_flow.ledger import postgresql
from migrate_flow.ledger import rows as module
from migrate_flow.ledger.store import LedgerStore, create_store, locate, open_store
from migrate_flow.services.copy_ledger import NewLedger
from migrate_flow.signing.sshsig import public_key_of, verify
from tests.ledger.conftest import Rows, run
from tests.support.builders import BOB, DAN, REV, Scribe, public_key


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def nothing_new(_entries: Sequence[Entry]) -> None:
    raise AssertionError("nobody else wrote")


def test_what_is_read_is_what_was_signed(store: LedgerStore, scribe: Scribe) -> None:
    read = list(store.entries())
    assert read == scribe.entries
    assert [verify(entry.statement, entry.signature) for entry in read] == [public_key(e.actor) for e in read]
    assert fold(read, public_key_of).flawed == []


def test_a_plain_client_reads_the_same(scribe: Scribe, url: str, tmp_path: Path, rows: Rows) -> None:
    assert rows()[:6] == [
        (e.seq, e.prev, e.hash, e.statement, e.signature, e.kind, e.revision, e.environment, e.actor, e.at)
        for e in scribe.entries
    ]
    again = open_store(url, tmp_path)
    assert list(again.entries()) == scribe.entries
    assert again.describe() == ("ledger.db" if url.startswith("sqlite") else url.replace("+psycopg", ""))


def test_reading_from_a_position_on(store: LedgerStore, scribe: Scribe) -> None:
    assert list(store.entries(after=4)) == scribe.entries[4:]
    assert list(store.entries(after=6)) == []
    assert store.at([5, 2]) == [scribe.entries[1], scribe.entries[4]]
    with pytest.raises(LedgerError, match="entry 7 is gone"):
        list(store.entries(after=7))


def test_a_long_ledger_is_read_in_parts(scribe: Scribe, store: LedgerStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    monkeypatch.setattr(postgresql, "BATCH", 2)
    assert list(store.entries()) == scribe.entries
    assert store.at(range(1, 7)) == scribe.entries
    assert [row[0] for row in store.raw_rows()] == [1, 2, 3, 4, 5, 6]


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
    store: LedgerStore, scribe: Scribe, rows: Rows, error: BaseException
) -> None:
    def refuse(_entries: Sequence[Entry]) -> None:
        raise error

    before = rows()
    with pytest.raises(type(error)):
        store.append(*scribe.sign(BOB, Kind.REVIEWED), [b"new"], seen=EMPTY, recheck=refuse)
    assert rows() == before
    scribe.reviewed(DAN)  # and holds no lock


def test_what_is_no_statement_is_not_stored(store: LedgerStore, scribe: Scribe, rows: Rows) -> None:
    before = rows()
    for statement in (b"{}", b"[]", b"not JSON", b'{"predicate":[]}'):
        with pytest.raises((ValueError, KeyError, TypeError)):
            store.append(statement, "signature", [b"new"], seen=scribe.head, recheck=nothing_new)
    assert rows() == before


def test_a_second_ledger_is_not_made_over_the_first(
    scribe: Scribe, store: LedgerStore, url: str, tmp_path: Path
) -> None:
    with pytest.raises(LedgerError, match="there is a ledger already"):
        create_store(url, tmp_path)
    assert list(store.entries()) == scribe.entries


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ("", "can't be read"),
        ("ledger.db", "can't be read"),
        ("postgresql+psycopg2://ada:s3cret@host/ledger", r"a ledger on postgresql\+psycopg2 is not supported"),
        ("mysql://ada:s3cret@host/ledger", "a ledger on mysql is not supported"),
        ("postgresql://ada:s3cret@host", "names no database"),
        ("postgresql://ada:s3cret@host:port:5432/ledger?nosuch=s3cret", "can't be read"),
        ("postgresql://ada:p@s3cret@host/ledger", "more than one @"),
        ("sqlite://ledger.db", "names no file"),
        ("nosuch://x", "a ledger on nosuch is not supported"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
    ],
)
def test_an_unusable_url_is_an_error_of_the_configuration(tmp_path: Path, bad: str, problem: str) -> None:
    for function in (open_store, create_store):
        with pytest.raises(ConfigError, match=problem) as raised:
            function(bad, tmp_path)
        assert (raised.value.exit_code, raised.value.where) == (2, "[ledger] url")
        assert "s3cret" not in f"{raised.value.message}{raised.value.hint}"


def test_a_reader_who_stops_half_way_is_in_nobody_s_way(store: LedgerStore, scribe: Scribe) -> None:
    reading: Iterator[Entry] = store.entries()
    next(reading)
    assert store.at([2]) == [scribe.entries[1]]  # beside it
    del reading
    assert scribe.created().seq == 7


def test_what_init_made_is_taken_back(store: LedgerStore, url: str, tmp_path: Path) -> None:
    Scribe(store).opens()
    store.remove()
    create_store(url, tmp_path)  # nothing is left that would be in its way


def test_a_ledger_that_others_have_written_to_is_not_taken_back(
    store: LedgerStore, url: str, tmp_path: Path, rows: Rows
) -> None:
    scribe = Scribe(store)
    scribe.opens()
    Scribe(open_store(url, tmp_path), entries=list(scribe.entries), now=scribe.now).created()
    before = rows()
    store.remove()
    assert rows() == before


def test_a_ledger_is_filled_as_it_is_made_or_not_made_at_all(url: str, tmp_path: Path) -> None:
    def fail(new: NewLedger) -> None:
        new.add_artifacts([(sha256(b"x"), b"x")])
        raise Refused("no", hint="wait")

    with pytest.raises(Refused):
        locate(url, tmp_path).create(fail)
    assert not (tmp_path / "ledger.db").exists()
    create_store(url, tmp_path)
    assert run(url, tmp_path, "SELECT count(*) FROM artifact") == [(0,)]


def test_opening_and_appending_do_without_sqlalchemy(scribe: Scribe, url: str, tmp_path: Path) -> None:
    """Every command opens the ledger, and that import alone would take longer than all the rest."""
    program = (
        "import json, sys; from pathlib import Path; from migrate_flow.core.chain import Head\n"
        "from migrate_flow.ledger.store import open_store\n"
        "url, root, statement, signature, seq, hash = json.load(sys.stdin)\n"
        "store = open_store(url, Path(root)); list(store.entries())\n"
        "store.append(statement.encode(), signature, [], seen=Head(seq, hash), recheck=print)\n"
        "print([name for name in ('sqlalchemy', 'sqlmodel', 'alembic') if name in sys.modules])"
    )
    statement, signature = scribe.sign(BOB, Kind.REVIEWED, revision=REV, verdict="approve", manifest="m")
    given = json.dumps([url, str(tmp_path), statement.decode(), signature, scribe.head.seq, scribe.head.hash])
    done = subprocess.run([sys.executable, "-c", program], input=given, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
