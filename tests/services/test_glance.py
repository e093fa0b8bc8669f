"""What a glance sees is what the judge sees, whatever was kept, and whatever became of it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrate_flow.core.entry import Draft, Entry, Kind
from migrate_flow.errors import LedgerError
from migrate_flow.ledger import parts, read_model, sqlite
from migrate_flow.ledger.store import LedgerStore, create_store, locate
from migrate_flow.services.settled_rows import Settled
from tests.support.builders import (
    ADA,
    BOB,
    DAN,
    MANIFEST,
    OTHER_BYTES,
    REV,
    Scribe,
    approved,
    opened,
    policy_document,
    public_key,
    uuid,
)
from tests.support.glances import (
    PLACES,
    REVISIONS,
    SCHEMA,
    WITH_EVE,
    Deed,
    book,
    deeds,
    everything,
    glance,
    ledger,
    ran,
    way,
)

URL = "sqlite:///ledger.db"


@pytest.fixture(autouse=True)
def _at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def add(store: LedgerStore, entries: list[Entry]) -> None:
    with store.write() as transaction:
        transaction.add_entries(entries)


@settings(max_examples=60, deadline=None)
@given(st.lists(deeds, min_size=1, max_size=14), st.lists(st.integers(1, 40), max_size=3))
def test_kept_and_gone_on_with_is_folded_from_scratch(said: list[Deed], cuts: list[int]) -> None:
    """Each cut is a process of its own that keeps what it saw."""
    entries = ledger(said)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        store, at = create_store(URL, folder), 0
        for cut in sorted({min(cut, len(entries)) for cut in (*cuts, len(entries))}):
            add(store, entries[at:cut])
            at = cut
            expected = everything(book(store, folder).history)
            assert everything(glance(store, folder).history) == expected
            assert everything(glance(store, folder).history) == expected


def _eventful() -> list[Entry]:
    """A ledger in which everything that a fold remembers came to be, and some of it came to nothing again."""
    s = opened(policy_document(environments=PLACES))
    for revision in REVISIONS:
        way(ADA, revision, MANIFEST, "dev")(s)
    down = {"revision": REVISIONS[2], "direction": "downgrade"}
    ran(s, ADA, "dev", **down)
    ran(s, ADA, "production", revision=REVISIONS[0])
    partial = {"revision": REVISIONS[1], "env": "production"}
    s.intends(attempt="part", operator={"host": "here", "pid": 7}, **partial)
    s.ends(Kind.APPLY_PARTIAL, attempt="part", **partial)
    done = {"outcome": "partial", "decision": "resume", "statements": {"1": "done"}}
    s.ends(Kind.APPLY_RECOVERED, attempt="part", **done, **partial)
    s.intends(attempt="more", resumes="part", **partial)
    review = s.reviewed(DAN, revision=REVISIONS[1])
    s.attests(DAN, Kind.REVOKED, revision=REVISIONS[1], of=review.seq)
    s.attests(ADA, Kind.WITHDRAWN, revision=REVISIONS[2])
    s.adopts(env="mine", schema=SCHEMA)
    s.says(ADA, Kind.GUARD_INSTALLED, environment="dev", target=uuid("dev"), mode="audit", version="1")
    s.says(ADA, Kind.DRIFT_FOUND, environment="dev", target=uuid("dev"), schema=SCHEMA)
    s.proposes(WITH_EVE)
    s.says(ADA, Kind.TARGET_REPLACED, environment="dev", target=uuid("new"))
    s.says(DAN, Kind.KEY_REVOKED, public_key=public_key(DAN), since=review.seq)
    s.says(ADA, Kind.KEY_REVOKED, public_key=public_key(BOB), since=5)
    s.checked(revision=REVISIONS[0])
    return s.entries


def test_entry_by_entry_it_is_folded_from_scratch(tmp_path: Path) -> None:
    """Kept and gone on with at each position."""
    entries, store = _eventful(), create_store(URL, tmp_path)
    for entry in entries:
        add(store, [entry])
        expected = everything(book(store, tmp_path).history)
        assert everything(glance(store, tmp_path).history) == expected
        assert everything(glance(store, tmp_path).history) == expected
    last = book(store, tmp_path).history
    retired = last.environments["dev"].retired[uuid("dev")]
    assert retired.rolled_back
    assert retired.guard.installed
    assert last.environments["production"].targets[uuid("production")].attempt.resumes
    assert last.record(REVISIONS[1]).taken_back
    assert any(said.undone for said in last.attestations())
    assert len(last.policies) == 2


@pytest.fixture
def scribe(tmp_path: Path) -> Scribe:
    """A ledger on a file, in which a migration went to staging; kept by an earlier glance."""
    scribe = Scribe(create_store(URL, tmp_path))
    scribe.opens()
    for entry in approved().entries[1:]:
        scribe.put(entry.statement, entry.signature)
    glance(_store(tmp_path), tmp_path).history  # noqa: B018
    return scribe


def _store(folder: Path) -> LedgerStore:
    return locate(URL, folder).open()


def _index(folder: Path) -> Path:
    (found,) = folder.glob("cache/*/index")
    return found


def _settled_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the ledger's file had not been touched for two seconds."""
    monkeypatch.setattr(sqlite, "SETTLED_NS", 0)


def _statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is sent to the database from now on."""
    sent: list[str] = []
    connect = sqlite.connect

    def traced(*args: Any, **how: Any) -> sqlite3.Connection:
        connection = connect(*args, **how)
        connection.set_trace_callback(sent.append)
        return connection

    monkeypatch.setattr(sqlite, "connect", traced)
    return sent


def _selects(sent: list[str]) -> list[str]:
    return [text for text in sent if text.startswith("SELECT") and "statement" in text]


def test_an_untouched_file_is_not_read_again(scribe: Scribe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _settled_file(monkeypatch)
    glance(_store(tmp_path), tmp_path).history  # noqa: B018
    sent = _statements(monkeypatch)
    assert everything(glance(_store(tmp_path), tmp_path).history) == everything(scribe.history())
    reads = [text for text in sent if "FROM entry" in text]
    assert [text for text in reads if "ORDER BY seq DESC LIMIT 1" in text] == reads[:1]


def test_a_file_that_was_touched_is_read_again(scribe: Scribe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _settled_file(monkeypatch)
    glance(_store(tmp_path), tmp_path).history  # noqa: B018
    os.utime(tmp_path / "ledger.db")
    sent = _statements(monkeypatch)
    glance(_store(tmp_path), tmp_path).history  # noqa: B018
    assert len(_selects(sent)) == 1


@pytest.mark.parametrize("beside", ["-wal", "-journal"])
def test_a_journal_beside_the_file_tells_more_than_its_date(
    scribe: Scribe, tmp_path: Path, beside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else has the file open, and keeps what it writes elsewhere."""
    _settled_file(monkeypatch)
    store = _store(tmp_path)
    assert store.state()
    with closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as connection:
        if beside == "-wal":
            connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "INSERT INTO artifact (sha256, content) VALUES (?, ?)", (hashlib.sha256(b"").hexdigest(), b"")
        )
        assert (tmp_path / f"ledger.db{beside}").exists()
        assert not store.state()


EDITS = {
    "statement": "UPDATE entry SET statement = replace(CAST(statement AS TEXT), 'ada', 'ide') WHERE seq = 3",
    "signature": "UPDATE entry SET signature = signature || ' ' WHERE seq = 3",
    "column": "UPDATE entry SET actor = 'bob@example.com' WHERE seq = 3",
    "hash": f"UPDATE entry SET hash = '{'ab' * 32}' WHERE seq = 3",
    "gone": "DELETE FROM entry WHERE seq = 3",
    "cut off": "DELETE FROM entry WHERE seq > 3",
    "head": f"UPDATE entry SET hash = '{'ab' * 32}' WHERE seq = (SELECT max(seq) FROM entry)",
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_of_the_rows_is_noticed(
    scribe: Scribe, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever edits them also sets the file's date back."""
    _settled_file(monkeypatch)
    glance(_store(tmp_path), tmp_path).history  # noqa: B018
    path = tmp_path / "ledger.db"
    found = path.stat()
    with closing(sqlite3.connect(path)) as connection, connection:
        for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute(EDITS[name])
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    with pytest.raises(LedgerError, match="can't be trusted"):
        glance(_store(tmp_path), tmp_path).history  # noqa: B018


def test_another_ledger_of_the_same_length_is_another_one(scribe: Scribe, tmp_path: Path) -> None:
    other = ledger_with(scribe, "declined")
    (tmp_path / "ledger.db").unlink()
    shutil.rmtree(tmp_path / "state")
    add(create_store(URL, tmp_path), other)
    assert everything(glance(_store(tmp_path), tmp_path).history) == everything(
        book(_store(tmp_path), tmp_path).history
    )
    assert glance(_store(tmp_path), tmp_path).history.hash == other[-1].hash


def ledger_with(scribe: Scribe, comment: str) -> list[Entry]:
    """The same, but for the last entry."""
    other = Scribe(entries=scribe.entries[:-1], now=scribe.now)
    other.checked(comment=comment)
    return other.entries


@pytest.mark.parametrize("name", ["index", "*.part"])
@pytest.mark.parametrize("cut", [True, False])
def test_what_is_damaged_is_made_anew(scribe: Scribe, tmp_path: Path, name: str, cut: bool) -> None:
    """Cut off at any place, or with a byte flipped: the answer is the same, and so is the next one."""
    expected = everything(scribe.history())
    for place in range(40):
        (path,) = tmp_path.glob(f"cache/*/{name}")
        whole = path.read_bytes()
        at = len(whole) * place // 40
        path.write_bytes(whole[:at] if cut else whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert everything(glance(_store(tmp_path), tmp_path).history) == expected
        assert everything(glance(_store(tmp_path), tmp_path).history) == expected
        shutil.rmtree(tmp_path / "cache")
        glance(_store(tmp_path), tmp_path).history  # noqa: B018


def test_it_is_the_users_own(scribe: Scribe, tmp_path: Path) -> None:
    folder = _index(tmp_path).parent
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    before = _index(tmp_path).read_bytes()
    folder.chmod(0o770)
    scribe.checked()
    assert glance(_store(tmp_path), tmp_path).history.seq == scribe.head.seq
    assert _index(tmp_path).read_bytes() == before


def test_another_version_makes_its_own(scribe: Scribe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _index(tmp_path).read_bytes()
    monkeypatch.setattr(read_model, "_VERSION", "0 of tomorrow")
    glance(_store(tmp_path), tmp_path).history  # noqa: B018
    assert _index(tmp_path).read_bytes() != before


def test_a_cache_that_cant_be_written_to_is_done_without(scribe: Scribe, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").write_text("in the way")
    assert everything(glance(_store(tmp_path), tmp_path).history) == everything(scribe.history())


def test_many_small_additions_do_not_pile_up(scribe: Scribe, tmp_path: Path) -> None:
    for _ in range(3 * parts.MOST_PARTS):
        scribe.checked()
        seen = glance(_store(tmp_path), tmp_path).history
        named = json.loads(_index(tmp_path).read_bytes().partition(b"\n")[2])["parts"]
        assert len(named) <= parts.MOST_PARTS + 1
    assert everything(seen) == everything(scribe.history())


def test_the_ledgers_not_read_for_longest_go(scribe: Scribe, tmp_path: Path) -> None:
    for number in range(parts.MOST_LEDGERS + 3):
        other = tmp_path / "cache" / f"ledger {number}"
        other.mkdir()
        (other / "index").write_text("old")
        os.utime(other / "index", (number, number))
    scribe.checked()
    glance(_store(tmp_path), tmp_path).history  # noqa: B018
    assert len(list(tmp_path.glob("cache/*"))) == parts.MOST_LEDGERS
    assert not (tmp_path / "cache" / "ledger 0").exists()


def test_a_reader_sees_one_state_whoever_writes_meanwhile(scribe: Scribe, tmp_path: Path) -> None:
    expected = everything(scribe.history())
    early = glance(_store(tmp_path), tmp_path)
    assert early.history.seq == scribe.head.seq  # nothing of a revision is read yet
    for _ in range(2 * parts.MOST_PARTS):
        scribe.checked()
        glance(_store(tmp_path), tmp_path).history  # noqa: B018
    assert everything(early.history) == expected


def test_who_glances_signs_nothing(scribe: Scribe, tmp_path: Path) -> None:
    seen = glance(_store(tmp_path), tmp_path)
    with pytest.raises(TypeError, match="needs a Book"):
        seen.append(Draft(Kind.CHECKED, [], {}))
    with pytest.raises(TypeError, match="needs a Book"):
        seen.append_signed(b"", "")


def test_what_was_settled_is_not_once_others_appended_meanwhile(scribe: Scribe, tmp_path: Path) -> None:
    known = {REV: Settled(MANIFEST, "approved", {}, "", "")}
    early = glance(_store(tmp_path), tmp_path)
    early.history  # noqa: B018
    early.settle(known)
    early.keep_unedited({REV: MANIFEST})
    unread = glance(_store(tmp_path), tmp_path)  # nobody read the ledger yet
    assert (unread.settled, unread.unedited) == ({}, {})
    late = glance(_store(tmp_path), tmp_path)
    late.history  # noqa: B018
    assert late.settled == early.settled == known
    assert late.unedited == early.unedited == {REV: MANIFEST}
    scribe.checked()
    early.catch_up()
    assert (early.settled, early.unedited) == ({}, {})
    early.keep_unedited({REV: MANIFEST})
    assert early.unedited == {}
    late = glance(_store(tmp_path), tmp_path)
    late.history  # noqa: B018
    early.settle(known)
    early.keep_unedited({REV: MANIFEST})
    after = glance(_store(tmp_path), tmp_path)
    assert (after.history.seq, after.settled, late.settled) == (scribe.head.seq, {}, {})
    assert (after.unedited, late.unedited) == ({}, {})


def test_what_was_kept_of_one_migration_outlives_what_is_said_of_another(scribe: Scribe, tmp_path: Path) -> None:
    early = glance(_store(tmp_path), tmp_path)
    early.history  # noqa: B018
    early.keep_unedited({REV: MANIFEST, "0123456789ab": OTHER_BYTES})
    scribe.checked()
    late = glance(_store(tmp_path), tmp_path)
    late.history  # noqa: B018
    assert late.unedited == {"0123456789ab": OTHER_BYTES}
    scribe.proposes(policy_document(approval_expires="7d"))
    last = glance(_store(tmp_path), tmp_path)
    last.history  # noqa: B018
    assert last.unedited == {}
