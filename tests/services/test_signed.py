"""Entries with the key that signed each: the same with any number of processes, and nothing that nobody signed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from migrate_flow.core.entry import Entry, Kind
from migrate_flow.errors import LedgerError
from migrate_flow.ledger.store import LedgerStore, create_store
from migrate_flow.services import verify_chunk, verify_processes
from migrate_flow.services.signed import signed
from migrate_flow.signing import sshsig
from tests.services.ledgers import fill
from tests.services.test_export import damaged
from tests.services.test_verify_processes import children, needs_proc
from tests.support.builders import ADA, BOB, MANIFEST, REV, Scribe, policy_document, private_key, public_key
from tests.support.glances import book


class Plain:
    """Implements `Verifier`, as other processes can be given it."""

    key_of = staticmethod(sshsig.public_key_of)
    verify = staticmethod(sshsig.verify)


@pytest.fixture(params=[1, 2, 3])
def processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """They start for a short ledger, too."""
    monkeypatch.setattr(verify_processes, "CHUNKS_ALONE", 2)
    monkeypatch.setattr(verify_chunk, "ROWS_AT_ONCE", 7)
    assert isinstance(request.param, int)
    return request.param


@pytest.fixture
def scribe(tmp_path: Path) -> Scribe:
    return fill(Scribe(create_store("sqlite:///ledger.db", tmp_path)))


def store_of(scribe: Scribe) -> LedgerStore:
    assert scribe.store is not None
    return scribe.store


def given(scribe: Scribe, processes: int, last: int = 0) -> Iterator[tuple[Entry, str]]:
    return signed(store_of(scribe), Plain(), last or scribe.head.seq, processes)


def test_every_entry_comes_as_the_ledger_reads_it_with_the_key_that_signed_it(scribe: Scribe, processes: int) -> None:
    found = list(given(scribe, processes))
    assert [entry for entry, _key in found] == list(store_of(scribe).entries())
    assert [key for _entry, key in found] == [public_key(entry.actor) for entry, _key in found]
    assert [entry.document for entry, _key in found] == [entry.document for entry in store_of(scribe).entries()]


def test_what_comes_behind_the_position_is_not_looked_at(scribe: Scribe, processes: int) -> None:
    last = scribe.head.seq
    scribe.put(*scribe.sign(BOB, Kind.REVIEWED, key=ADA, revision=REV, manifest=MANIFEST, verdict="approve"))
    statement, _signature = scribe.sign(BOB, Kind.REVIEWED, revision=REV, manifest=MANIFEST, verdict="approve")
    scribe.put(statement, "forged")
    assert [entry.seq for entry, _key in given(scribe, processes, last)] == list(range(1, last + 1))


@needs_proc
def test_an_entry_that_nobody_signed_ends_it_and_every_process(scribe: Scribe, processes: int) -> None:
    before = children()
    statement, signature = scribe.sign(BOB, Kind.REVIEWED, revision=REV, manifest=MANIFEST, verdict="approve")
    forged = scribe.put(statement, scribe.entries[-1].signature)
    scribe.put(statement, signature)
    with pytest.raises(LedgerError) as raised:
        list(given(scribe, processes))
    why = f"the signature of entry {forged.seq} is not valid: the signature does not fit the signed bytes"
    assert (raised.value.message, raised.value.exit_code) == (f"the ledger can't be trusted: {why}", 4)
    assert raised.value.hint == "migrate-flow ledger verify"
    assert children() == before


def test_a_statement_in_another_spelling_is_read_all_the_same(scribe: Scribe, processes: int) -> None:
    """Whoever holds a key may have signed it: `ledger verify` has a word for it, and the fold judges it."""
    statement, _signature = scribe.sign(ADA, Kind.MIGRATION_CREATED, revision="bbbb", manifest=MANIFEST)
    spaced = statement.replace(b'{"_type":', b'{ "_type": ', 1)
    scribe.put(spaced, sshsig.sign(private_key(ADA), spaced))
    entry, key = list(given(scribe, processes))[-1]
    assert (entry.statement, entry.revision, key) == (spaced, "bbbb", public_key(ADA))
    assert entry.document["_type"] == "https://in-toto.io/Statement/v1"


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("DELETE FROM entry WHERE seq = 20", "entry 20 is missing"),
        ("UPDATE entry SET prev = upper(prev) WHERE seq = 20", "entry 20 does not continue the chain"),
        ("UPDATE entry SET hash = upper(hash) WHERE seq = 20", "entry 20 does not continue the chain"),
        ("UPDATE entry SET actor = 'eve@example.com' WHERE seq = 20", "entry 20: column actor is not what"),
        ("UPDATE entry SET statement = x'7b7d' WHERE seq = 20", "entry 20 does not continue the chain"),
    ],
)
def test_damage_is_named_as_the_ledgers_own_reader_names_it(
    scribe: Scribe, processes: int, tmp_path: Path, sql: str, problem: str
) -> None:
    damaged(store_of(scribe), tmp_path, "PRAGMA ignore_check_constraints = ON", sql)
    with pytest.raises(LedgerError, match=problem) as ours:
        list(given(scribe, processes))
    with pytest.raises(LedgerError) as theirs:
        list(store_of(scribe).entries())
    assert (ours.value.message, ours.value.hint) == (theirs.value.message, theirs.value.hint)


def test_a_ledger_that_could_not_be_read_is_no_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = create_store("sqlite:///ledger.db", tmp_path)
    scribe = Scribe(store)
    scribe.opens(policy_document())
    scribe.created()
    judge = book(store, tmp_path)
    seqs = range(1, judge.history.seq + 1)

    def away() -> None:
        raise LedgerError("it can't be read now", hint="try again")

    with monkeypatch.context() as patch:
        patch.setattr(store, "read", away)
        with pytest.raises(LedgerError, match="can't be read now"):
            judge.signature_problems(seqs)
    assert judge.signature_problems(seqs) == ()
