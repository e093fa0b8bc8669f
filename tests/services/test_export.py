"""`export` over a real store: what each part holds, a reader without rights, damage, and that long ledgers fit."""

from __future__ import annotations

import hashlib
import io
import sqlite3
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import long_ledger
from migrate_flow.bootstrap.keyring import KeySigner
from migrate_flow.core.audit import Selection
from migrate_flow.core.chain import link
from migrate_flow.core.entry import Kind
from migrate_flow.errors import LedgerError, UsageError
from migrate_flow.exports import write
from migrate_flow.ledger.store import LedgerStore, create_store, open_store
from migrate_flow.services.export import Archive, Export, SurveyedBook, brought, gather
from migrate_flow.signing.sshsig import sign
from tests.services.ledgers import CONTENTS, Signatures, fill
from tests.support.builders import (
    ADA,
    BOB,
    CY,
    DAN,
    EVE,
    MANIFEST,
    REV,
    TEAM,
    Scribe,
    adopted,
    policy_document,
    private_key,
    public_key,
    uuid,
)
from tests.support.postgres import PostgresServer, database_name

BOSS = {EVE: ("policy-admin",)}


class Unseen:
    """Implements `Heads` for a machine that never saw a ledger."""

    def newest(self) -> None:
        return None

    def of(self, ledger: str) -> None:
        del ledger

    def note(self, ledger: str, head: object) -> None:
        del ledger, head


def archive(store: LedgerStore, actor: str = ADA, **config: Any) -> Archive:
    """No database is in reach, and the clock stands still behind the entries."""
    project = SimpleNamespace(ticket_pattern=config.get("ticket_pattern"))

    def book(history: Any, seen: Any) -> SurveyedBook:
        def signer() -> KeySigner:
            return KeySigner(actor, public_key(actor), lambda message: sign(private_key(actor), message))

        made = SurveyedBook(store, Signatures(), signer, lambda: Scribe().now, Unseen())
        made.surveyed, made.seen = history, seen
        return made

    return Archive(
        config=SimpleNamespace(project=project, environments={}),  # type: ignore[arg-type]
        ledger=store,
        verifier=Signatures(),
        seen=lambda: None,
        book=book,
        actor=lambda _history: actor,
        target=lambda name, person: pytest.fail(f"{name} is not to be asked by {person}"),
    )


def export(store: LedgerStore, *, as_of: int = 0, name: str = "jsonl", **selection: str) -> Export:
    return gather(archive(store), Selection(**selection), name, as_of=as_of, record=False)


def governed(tmp_path: Path, **rules: Any) -> Scribe:
    """A store with a ledger that Eve governs, and a migration of Ada's in dev."""
    scribe = Scribe(create_store("sqlite:///ledger.db", tmp_path))
    scribe.opens(policy_document({**TEAM, ADA: ("developer",), EVE: ("policy-admin",)}, **rules), by=EVE)
    scribe.created()
    scribe.applied(env="dev")
    return scribe


def written(store: LedgerStore, name: str, as_of: int = 0) -> bytes:
    out = io.BytesIO()
    done = gather(archive(store, EVE), Selection(), name, as_of=as_of, record=False)
    write(done, name, out)
    return out.getvalue()


@pytest.fixture
def store(tmp_path: Path) -> LedgerStore:
    made = create_store("sqlite:///ledger.db", tmp_path)
    fill(Scribe(made))
    return made


def damaged(store: LedgerStore, tmp_path: Path, *sql: str) -> None:
    ledger = sqlite3.connect(tmp_path / "ledger.db")
    for (name,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        ledger.execute(f"DROP TRIGGER {name}")
    for statement in sql:
        ledger.execute(statement)
    ledger.commit()
    ledger.close()


def test_the_skeleton_holds_every_position_whatever_is_selected(store: LedgerStore) -> None:
    done = export(store, person=BOB, as_of=50)
    prev = bytes(32)
    for seq, (position, statement, signature, stored) in enumerate(done.skeleton(), start=1):
        assert position == seq
        prev = hashlib.sha256(prev + bytes.fromhex(statement) + bytes.fromhex(signature)).digest()
        assert stored == prev.hex()
    assert (seq, prev.hex()) == (50, done.header.head.removeprefix("sha256:"))
    assert {entry.actor for entry in done.entries()} == {BOB}


def test_entries_are_those_of_the_store_and_can_be_asked_for_again(store: LedgerStore) -> None:
    done = export(store)
    for _ in range(2):
        entries = list(done.entries())
        assert [(e.seq, e.hash, e.statement, e.signature) for e in entries] == [
            (e.seq, e.hash, e.statement, e.signature) for e in store.entries()
        ]
    assert all(link(e.prev, e.statement, e.signature) == e.hash for e in entries)


def test_the_artifacts_that_the_selected_entries_bring(store: LedgerStore) -> None:
    everything = list(export(store).artifacts_of())
    assert everything == sorted({hashlib.sha256(content).hexdigest() for content in CONTENTS})
    assert all(export(store).artifact(digest) for digest in everything)
    assert list(export(store, kind="migration.reviewed").artifacts_of()) == []
    first = list(export(store, revision="aaaa00").artifacts_of())
    assert first == [hashlib.sha256(CONTENTS[0]).hexdigest()]


def test_sql_reports_and_snapshots_are_brought_too() -> None:
    scribe = Scribe()
    scribe.opens()
    entry = scribe.self_reviewed(
        sql={"sqlite": {"upgrade": "sha256:aa", "downgrade": "sha256:bb"}},
        lint={"rule_set": "1", "errors": 0, "warnings": 0, "waived": 0, "report": "sha256:cc"},
        schema={"snapshot": "sha256:dd"},
    )
    assert brought(entry.document)[1:] == ["aa", "bb", "cc", "dd"]


def test_people_and_policies_are_those_up_to_the_position(store: LedgerStore) -> None:
    late, early = export(store), export(store, as_of=10)
    assert [seq for seq, _digest, _document in early.policies()] == [1]
    assert EVE not in early.people()
    (first, second) = late.policies()
    assert second[0] == late.people()[EVE][0][1] > first[0] == late.people()[ADA][0][1]
    assert second[2] == dict(late.survey.policies[-1].policy.document)


def test_a_revoked_key_has_its_position(tmp_path: Path) -> None:
    store = create_store("sqlite:///ledger.db", tmp_path)
    scribe = Scribe(store)
    scribe.opens()
    scribe.says(ADA, Kind.KEY_REVOKED, public_key=public_key(BOB), comment="lost")
    assert export(store).people()[BOB] == ((public_key(BOB), 1, 2),)
    assert export(store, as_of=1).people()[BOB] == ((public_key(BOB), 1, 0),)
    assert any("(entry 2): lost" in text for text in export(store).header.notices)


def test_an_adoption_is_about_each_revision_that_it_finds(tmp_path: Path) -> None:
    store = create_store("sqlite:///ledger.db", tmp_path)
    scribe = Scribe(store)
    scribe.opens()
    scribe.adopts(revisions=[adopted("grandfathered"), adopted("grandfathered", revision="3f2a000000")])
    found = export(store, revision="3f2a0")
    assert [entry.seq for entry in found.entries()] == [2]
    assert found.header.selection.revision == "3f2a000000"
    assert [change.revision for change in found.changes()] == ["3f2a000000"]
    with pytest.raises(UsageError, match="means 3f2a000000, 3f2a9c01d4e5"):
        export(store, revision="3f2a")


def test_a_whole_id_that_begins_another_is_meant_itself(tmp_path: Path) -> None:
    store = create_store("sqlite:///ledger.db", tmp_path)
    scribe = Scribe(store)
    scribe.opens()
    scribe.created(revision="aaaa1")
    scribe.created(revision="aaaa12")
    assert [entry.seq for entry in export(store, revision="aaaa1").entries()] == [2]


def test_the_record_is_an_entry_that_counts_whatever_others_append(store: LedgerStore) -> None:
    done = gather(archive(store, BOB), Selection(), "csv")
    assert done.seq == done.header.as_of + 1
    from migrate_flow.core.lifecycle import fold

    history = fold(store.entries(), Signatures.key_of)
    assert [said for said in history.flawed if said.seq == done.seq] == []
    assert store.at([done.seq])[0].kind == Kind.LEDGER_EXPORTED


def test_whoever_is_not_in_the_policy_leaves_no_record(store: LedgerStore) -> None:
    done = gather(archive(store, "mallory@example.com"), Selection(), "csv")
    assert (done.seq, done.header.recorded) == (0, False)
    assert "mallory@example.com is not in the policy" in done.unrecorded


def test_an_export_of_what_the_ledger_does_not_hold_does_not_count(store: LedgerStore) -> None:
    scribe = Scribe(store, entries=list(store.entries()))
    entry = scribe.says(ADA, Kind.LEDGER_EXPORTED, format="csv", as_of={"seq": 7, "hash": "sha256:" + "0" * 64})
    flaws = {said.seq: said.flaw for said in scribe.history().flawed}
    assert "an entry that this ledger does not hold" in flaws[entry.seq]


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM entry WHERE seq = 20",
        "UPDATE entry SET prev = hash || 'x' WHERE seq = 20",
        "UPDATE entry SET seq = 900 WHERE seq = 60",
        "UPDATE entry SET signature = x'00' WHERE seq = 20",
        "UPDATE entry SET statement = 'text' WHERE seq = 20",
        "UPDATE entry SET kind = 'migration.created' WHERE seq = 1",
        "DELETE FROM entry",
    ],
)
def test_a_damaged_ledger_is_not_exported(store: LedgerStore, tmp_path: Path, sql: str) -> None:
    damaged(store, tmp_path, "PRAGMA ignore_check_constraints = ON", sql)
    with pytest.raises(LedgerError):
        export(store)


def test_rows_are_not_made_of_a_statement_that_was_changed(store: LedgerStore, tmp_path: Path) -> None:
    changed = "UPDATE entry SET statement = CAST(replace(CAST(statement AS TEXT), 'approve', 'disgust') AS BLOB)"
    damaged(store, tmp_path, f"{changed} WHERE seq = 5")
    done = export(store)
    with pytest.raises(LedgerError, match="can't be trusted"):
        list(done.changes())


def test_what_comes_behind_the_position_is_not_in_it(store: LedgerStore) -> None:
    done = export(store)
    Scribe(store, entries=list(store.entries())).created(revision="bbbb")
    assert [entry.seq for entry in done.entries()][-1] == done.header.as_of
    assert "bbbb" not in {change.revision for change in done.changes()}


@pytest.fixture
def reader(postgres: PostgresServer, pg_url: str) -> Iterator[str]:
    """The URL of a ledger on PostgreSQL, for a role that may read it and nothing else."""
    scribe = Scribe(create_store(pg_url, Path()))
    scribe.opens()
    scribe.created()
    postgres.execute("CREATE ROLE auditor LOGIN")
    postgres.execute("GRANT SELECT ON entry, artifact, ledger_version TO auditor", database=database_name(pg_url))
    yield pg_url.replace("postgres@", "auditor@")
    postgres.execute("DROP OWNED BY auditor", database=database_name(pg_url))
    postgres.execute("DROP ROLE auditor")


def test_a_reader_of_postgresql_exports_and_leaves_no_record(reader: str) -> None:
    done = gather(archive(open_store(reader, Path())), Selection(), "csv")
    assert (done.seq, done.header.recorded, done.header.entries) == (0, False, 2)
    assert done.unrecorded
    assert len(list(done.changes())) == 1


def test_memory_stays_flat_however_long_the_ledger(tmp_path: Path) -> None:
    """Beside a megabyte that waits to be written: 32 bytes an entry, which is what its hash takes."""
    length = 3000
    long_ledger.build(tmp_path / "long.db", length)
    store = open_store("sqlite:///long.db", tmp_path)
    written = 0

    class Nowhere(io.RawIOBase):
        def write(self, data: Any) -> int:
            nonlocal written
            written += len(data)
            return len(data)

    export(store, as_of=10)  # what is imported and kept once
    tracemalloc.start()
    try:
        write(export(store), "jsonl", Nowhere())  # type: ignore[arg-type]
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert written > 1500 * length
    assert peak < 3_500_000, f"{peak} bytes for {written} written"


def test_a_policy_that_changed_hands_rules_from_its_position(tmp_path: Path) -> None:
    """The survey folds governing entries alone, and comes to the same policies as the whole fold."""
    store = create_store("sqlite:///ledger.db", tmp_path)
    scribe = fill(Scribe(store))
    scribe.proposes(policy_document({ADA: ("developer", "policy-admin")}))
    scribe.proposes(policy_document(), by=BOB)  # who may not
    done, history = export(store), scribe.history()
    assert [(v.seq, v.policy.digest) for v in done.survey.policies] == [
        (v.seq, v.policy.digest) for v in history.policies
    ]
    assert done.survey.history.last_at == history.last_at


# What counts: for rows every entry is judged


@pytest.mark.parametrize("name", ["csv", "xlsx", "md", "html", "bundle"])
def test_rows_are_made_of_what_somebody_signed(tmp_path: Path, name: str) -> None:
    scribe = governed(tmp_path)
    assert scribe.store is not None
    true = scribe.reviewed()
    statement, _signature = scribe.sign(BOB, Kind.REVIEWED, revision=REV, manifest=MANIFEST, verdict="approve")
    forged = scribe.put(statement, true.signature)
    with pytest.raises(LedgerError, match=f"can't be trusted: the signature of entry {forged.seq}") as caught:
        export(scribe.store, name=name)
    assert caught.value.hint == "migrate-flow ledger verify"
    assert [entry.seq for entry in export(scribe.store).entries()][-1] == forged.seq
    assert export(scribe.store, name=name, as_of=true.seq).header.as_of == true.seq


def test_only_entries_that_count_say_where_a_version_table_stands(tmp_path: Path) -> None:
    scribe = governed(tmp_path)
    assert scribe.store is not None
    scribe.ends(Kind.APPLY_APPLIED, BOB, attempt="never meant", heads=["ffff"])
    scribe.adopts(BOB, state="grandfathered", heads=["ffff"])
    (dev,) = export(scribe.store, name="csv").header.reconciliation
    assert (dev.environment, dev.target, dev.ledger_heads) == ("dev", uuid("dev"), (REV,))
    assert "no access" in dev.reason


def test_where_a_version_table_stands_is_not_guessed(tmp_path: Path) -> None:
    scribe = governed(tmp_path)
    assert scribe.store is not None
    meant = scribe.intends(attempt="two")
    (dev,) = export(scribe.store, name="csv").header.reconciliation
    assert dev.reason == f"not reconciled: the attempt of entry {meant.seq} is open"
    ended = scribe.ends(Kind.APPLY_APPLIED, attempt="two", heads=None)
    (dev,) = export(scribe.store, name="csv").header.reconciliation
    assert f"entry {ended.seq}, the newest outcome, does not say" in dev.reason
    scribe.applied(attempt="three")
    (dev,) = export(scribe.store, name="csv").header.reconciliation
    assert "no access" in dev.reason
    fields = {"environment": "dev", "target": uuid("new"), "comment": "a new one"}
    scribe.says(EVE, Kind.TARGET_REPLACED, **fields)
    (dev,) = export(scribe.store, name="csv").header.reconciliation
    assert (dev.target, dev.ledger_heads) == (uuid("new"), ())
    assert "nothing is recorded yet" in dev.reason


@pytest.mark.parametrize("name", ["jsonl", "csv", "xlsx", "md"])
def test_what_comes_later_changes_no_byte_of_an_earlier_position(tmp_path: Path, name: str) -> None:
    """Not the policy, not who signed, not a key that is revoked once more."""
    scribe = governed(tmp_path)
    assert scribe.store is not None
    scribe.says(EVE, Kind.KEY_REVOKED, public_key=public_key(BOB), comment="lost")
    last = scribe.head.seq
    before = written(scribe.store, name, last)
    scribe.says(EVE, Kind.KEY_REVOKED, public_key=public_key(BOB), since=2, comment="lost long ago")
    scribe.says(BOB, Kind.POLICY_PROPOSED, base=scribe.policy, document=policy_document())
    people = {CY: ("backend-lead",), DAN: ("developer", "backend-lead"), EVE: ("policy-admin", "developer")}
    scribe.proposes(policy_document(people), by=EVE)
    assert written(scribe.store, name, last) == before
    assert written(scribe.store, name) != before


def test_notices_about_databases_are_those_of_the_selected_environment(tmp_path: Path) -> None:
    scribe = governed(tmp_path)
    assert scribe.store is not None
    kept = scribe.says(BOB, Kind.TARGET_REPLACED, environment="staging", target=uuid("new"))
    for _ in range(60):
        scribe.says(BOB, Kind.TARGET_REPLACED, environment="dev", target=uuid("new"))
    scribe.says(EVE, Kind.KEY_REVOKED, public_key=public_key(CY), comment="left")
    found = export(scribe.store, name="csv", environment="staging").header.notices
    about = [text for text in found if "replaced the database" in text]
    assert len(about) == 1
    assert f"of staging (entry {kept.seq})" in about[0]
    assert not any("more entries" in text for text in found)
    assert any(text.startswith(f"{EVE} revoked a key of {CY}") for text in found)


def test_notices_have_the_newest_first_and_right_totals(tmp_path: Path) -> None:
    scribe = governed(tmp_path)
    assert scribe.store is not None
    for _ in range(3):
        gather(archive(scribe.store), Selection(), "jsonl")
    scribe.entries[:] = list(scribe.store.entries())
    for _ in range(60):
        scribe.says(BOB, Kind.TARGET_REPLACED, environment="dev", target=uuid("new"))
    last = scribe.head.seq
    scribe.says(EVE, Kind.KEY_REVOKED, public_key=public_key(CY), comment="left")
    scribe.proposes(policy_document({name: roles for name, roles in TEAM.items() if name != CY} | BOSS), by=EVE)
    own = scribe.proposes(policy_document(), by=BOB)
    judged, unjudged = (export(scribe.store, name=name).header.notices for name in ("csv", "jsonl"))
    assert f"{EVE} revoked a key of {CY} (entry {last + 1}): left" in judged
    assert f"{BOB} proposed a policy (entry {own.seq}), which does not count: {BOB} is no policy-admin" in judged
    found = [text for text in judged if "replaced the database of dev" in text]
    assert len(found) == 50
    assert f"(entry {last}), which does not count" in found[0]
    assert "and 10 more entries that concern no single migration" in judged
    assert judged[-1] == f"{ADA} exported the ledger (entry 7), the newest of 3 exports"
    assert "whether these entries count is not judged in this format" in unjudged
