"""A connection that ends, a transaction that loses: an entry is written once, or it is said that it was not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psycopg
import pytest

from migrate_flow.core.entry import Entry, Kind
from migrate_flow.errors import BusyError, LedgerError, Refused
from migrate_flow.ledger import postgresql
from migrate_flow.ledger.store import LedgerStore, open_store
from tests.ledger.conftest import Rows, run
from tests.support.builders import BOB, DAN, REV, Scribe
from tests.support.postgres import PostgresServer, database_name
from tests.support.proxy import Proxy


@pytest.fixture
def url(pg_url: str) -> str:
    return pg_url


@pytest.fixture
def proxy(postgres: PostgresServer) -> Iterator[Proxy]:
    with Proxy(postgres.folder / ".s.PGSQL.5432") as proxy:
        yield proxy


def reviewed(scribe: Scribe, store: LedgerStore, recheck: Callable[[Sequence[Entry]], None]) -> Entry:
    signed = scribe.sign(BOB, Kind.REVIEWED, revision=REV, verdict="approve", manifest="m")
    return store.append(*signed, [b"new"], seen=scribe.head, recheck=recheck)


def written_by_another(scribe: Scribe, url: str, tmp_path: Path) -> Entry:
    other = Scribe(open_store(url, tmp_path), entries=list(scribe.entries), now=scribe.now)
    return other.reviewed(DAN)


@pytest.mark.parametrize("moved", [False, True], ids=["all in one message", "after a look at what others wrote"])
@pytest.mark.parametrize("forward", [True, False], ids=["after the server took it", "before the server got it"])
def test_a_connection_lost_at_commit(
    scribe: Scribe, proxy: Proxy, url: str, tmp_path: Path, rows: Rows, forward: bool, moved: bool
) -> None:
    """The client can't know; the next look under the lock does. Either way the entry is there once, and reported."""
    store = open_store(proxy.through(url), tmp_path)
    given: list[list[Entry]] = []
    others = [written_by_another(scribe, url, tmp_path)] if moved else []
    proxy.drop_on(b"COMMIT", forward=forward, skip=len(others))
    entry = reviewed(scribe, store, lambda new: given.append(list(new)))
    assert proxy.dropped.is_set()
    assert list(store.entries())[6:] == [*others, entry]
    assert given == ([others] if moved else []), "what was rechecked once is not rechecked again"
    assert len(rows()) == 7 + len(others) + 3
    count = run(url, tmp_path, "SELECT count(*) FROM entry WHERE kind = 'migration.reviewed'")
    assert count == [(2 + len(others),)]


def test_somebody_else_comes_between_a_lost_commit_and_the_next_try(
    scribe: Scribe, proxy: Proxy, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(proxy.through(url), tmp_path)
    given: list[list[Entry]] = []
    others: list[Entry] = []

    def meanwhile(_seconds: float) -> None:
        others.append(written_by_another(scribe, url, tmp_path))

    monkeypatch.setattr(postgresql.time, "sleep", meanwhile)
    proxy.drop_on(b"COMMIT", forward=False)
    entry = reviewed(scribe, store, lambda new: given.append(list(new)))
    assert [entry.seq] == [8]
    assert given == [others]
    assert list(store.entries())[6:] == [*others, entry]


def test_what_came_between_may_refuse_the_next_try(
    scribe: Scribe, proxy: Proxy, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: Rows
) -> None:
    store = open_store(proxy.through(url), tmp_path)
    monkeypatch.setattr(postgresql.time, "sleep", lambda _s: written_by_another(scribe, url, tmp_path))

    def refuse(_new: Sequence[Entry]) -> None:
        raise Refused("no", hint="wait")

    proxy.drop_on(b"COMMIT", forward=False)
    with pytest.raises(Refused):
        reviewed(scribe, store, refuse)
    assert run(url, tmp_path, "SELECT count(*) FROM entry") == [(7,)]


def test_a_commit_without_an_answer_and_a_server_that_stays_away(
    scribe: Scribe, proxy: Proxy, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The only case in which nobody can say: then that is said."""
    store = open_store(proxy.through(url), tmp_path)
    monkeypatch.setattr(postgresql.time, "sleep", lambda _s: (proxy.folder / ".s.PGSQL.5432").rename(away))
    away = proxy.folder / "away"
    monkeypatch.setattr(postgresql, "TRIES", 2)
    proxy.drop_on(b"COMMIT", forward=True)
    try:
        with pytest.raises(LedgerError, match="did not say whether the entry was written") as raised:
            reviewed(scribe, store, lambda _new: None)
    finally:
        away.rename(proxy.folder / ".s.PGSQL.5432")
    assert raised.value.hint.startswith("migrate-flow log")
    assert len(list(store.entries())) == 7


def test_the_server_ends_our_session_in_mid_append(
    scribe: Scribe, url: str, tmp_path: Path, postgres: PostgresServer, rows: Rows
) -> None:
    store = open_store(url, tmp_path)
    another = written_by_another(scribe, url, tmp_path)
    given: list[list[Entry]] = []

    def end_us(new: Sequence[Entry]) -> None:
        given.append(list(new))
        ended = postgres.execute(
            "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity "
            "WHERE datname = %s AND state = 'idle in transaction'",
            database_name(url),
        )
        assert ended == [(1,)]

    entry = reviewed(scribe, store, end_us)
    assert given == [[another]]
    assert list(store.entries())[6:] == [another, entry]
    assert len(rows()) == 8 + 3


def test_a_server_that_is_gone_before_the_commit_has_written_nothing(
    scribe: Scribe, proxy: Proxy, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: Rows
) -> None:
    store = open_store(proxy.through(url), tmp_path)
    written_by_another(scribe, url, tmp_path)
    before = rows()
    away = proxy.folder / "away"
    monkeypatch.setattr(postgresql.time, "sleep", lambda _s: (proxy.folder / ".s.PGSQL.5432").rename(away))
    monkeypatch.setattr(postgresql, "TRIES", 3)
    proxy.drop_on(b"INSERT", forward=False, skip=1)  # not the first, which goes together with its COMMIT
    try:
        with pytest.raises(LedgerError, match="the ledger's server can't be reached") as raised:
            reviewed(scribe, store, lambda _new: None)
    finally:
        away.rename(proxy.folder / ".s.PGSQL.5432")
    assert raised.value.exit_code == 4
    assert rows() == before


def test_reading_through_a_connection_that_ends_says_so(scribe: Scribe, proxy: Proxy, url: str, tmp_path: Path) -> None:
    store = open_store(proxy.through(url), tmp_path)
    proxy.drop_on(b"FETCH", forward=False)
    with pytest.raises(LedgerError, match="the ledger's server can't be reached"):
        list(store.entries())
    assert list(store.entries()) == scribe.entries


def losing(sqlstate: str, times: int) -> tuple[str, ...]:
    """A server that makes the next inserts lose, as others' transactions would; a sequence is never rolled back."""
    return (
        "CREATE SEQUENCE lost",
        f"""CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('lost') <= {times} THEN RAISE EXCEPTION 'lost' USING ERRCODE = '{sqlstate}'; END IF;
        RETURN NULL; END $$""",
        "CREATE CONSTRAINT TRIGGER lose AFTER INSERT ON entry DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION lose()",
    )


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
def test_a_transaction_that_loses_at_its_commit_is_run_again_as_a_whole(
    scribe: Scribe, store: LedgerStore, url: str, tmp_path: Path, rows: Rows, sqlstate: str
) -> None:
    run(url, tmp_path, *losing(sqlstate, 2))
    assert scribe.created(artifacts=[b"new"]).seq == 7
    assert run(url, tmp_path, "SELECT last_value FROM lost") == [(3,)]
    assert list(store.entries()) == scribe.entries


def test_a_transaction_that_keeps_losing_is_busy(
    scribe: Scribe, url: str, tmp_path: Path, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "PAUSE_S", 0.001)
    run(url, tmp_path, *losing("40001", 99))
    before = rows()
    with pytest.raises(BusyError, match="others kept being faster"):
        scribe.created(artifacts=[b"new"])
    assert run(url, tmp_path, "SELECT last_value FROM lost") == [(postgresql.TRIES,)]
    assert rows() == before


def test_the_victim_of_a_deadlock_tries_again(scribe: Scribe, url: str, tmp_path: Path) -> None:
    """Another client holds the table and then wants the appenders' lock, which we hold while we want the table."""
    scribe.store = open_store(f"{url}&options=-cdeadlock_timeout%3D200ms", tmp_path)
    lock = f"SELECT pg_advisory_xact_lock({postgresql._KEY}, {postgresql._OF_THE_TABLE}"
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as other:
        other.execute("SET deadlock_timeout = '1min'")
        other.execute("BEGIN")
        other.execute("LOCK TABLE entry IN SHARE MODE")
        done: list[Entry] = []
        thread = threading.Thread(target=lambda: done.append(scribe.created()))
        thread.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'entry'::regclass AND NOT granted"
        while other.execute(waiting).fetchone() != (1,):
            time.sleep(0.01)
        other.execute(lock.encode())
        other.execute("ROLLBACK")
        thread.join(timeout=60)
    assert [entry.seq for entry in done] == [7]


@pytest.mark.parametrize("isolation", ["serializable", "repeatable%5C%20read"])
def test_a_server_with_another_isolation_by_default(scribe: Scribe, url: str, tmp_path: Path, isolation: str) -> None:
    """The head is read as it is after the wait for the lock, not as it was before."""
    options = f"{url}&options=-cdefault_transaction_isolation%3D{isolation}"
    with open_store(options, tmp_path).write() as transaction:
        assert transaction.rows("SHOW transaction_isolation") == [("read committed",)]
    start = threading.Barrier(4)
    counts: list[int] = []

    def append(person: str) -> None:
        store = open_store(options, tmp_path)
        own = Scribe(entries=list(store.entries()))
        start.wait(timeout=30)
        for number in range(10):
            signed = own.sign(person, Kind.MIGRATION_CREATED, revision=REV, manifest="m", _nonce=f"{person} {number}")
            counts.append(store.append(*signed, (), seen=own.head, recheck=lambda _new: None).seq)

    threads = [threading.Thread(target=append, args=(f"p{n}@example.com",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(counts) == list(range(7, 47))
    assert len(list(open_store(options, tmp_path).entries())) == 46
