"""A ledger copied elsewhere: the same rows under the same hashes, or nothing at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from migrate_flow.errors import BusyError, LedgerError
from migrate_flow.ledger.store import LedgerStore, create_store, locate, open_store
from migrate_flow.services.copy_ledger import Copied, NewLedger, copy
from tests.ledger.conftest import DATABASES, Rows, run
from tests.support.builders import Scribe
from tests.support.postgres import PostgresServer


@pytest.fixture(params=DATABASES)
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterable[str]:
    """An empty place."""
    (tmp_path / "new").mkdir()
    if request.param == "sqlite":
        yield "sqlite:///new/ledger.db"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.create_database()
    yield url
    server.drop_database(url)


def stored(url: str, tmp_path: Path) -> list[tuple[object, ...]]:
    folder = tmp_path / "new" if "new/" in url else tmp_path
    found = run(url, folder, "SELECT * FROM entry ORDER BY seq")
    return found + run(url, folder, "SELECT * FROM artifact ORDER BY sha256")


def test_every_row_is_the_same(scribe: Scribe, store: LedgerStore, url: str, new_url: str, tmp_path: Path) -> None:
    new = locate(new_url, tmp_path)
    assert copy(store, new.create, genesis=f"sha256:{scribe.entries[0].hash}") == Copied(6, 2, scribe.head)
    assert stored(new_url, tmp_path) == stored(url, tmp_path)
    scribe.store = open_store(new_url, tmp_path)
    assert scribe.created().seq == 7


def test_what_holds_a_ledger_is_no_place_for_another(
    scribe: Scribe, store: LedgerStore, new_url: str, tmp_path: Path
) -> None:
    create_store(new_url, tmp_path)
    with pytest.raises(LedgerError, match="there is a ledger already"):
        copy(store, locate(new_url, tmp_path).create)
    assert stored(new_url, tmp_path) == []


def nothing_there(new_url: str, tmp_path: Path) -> bool:
    if new_url.startswith("sqlite"):
        return list((tmp_path / "new").iterdir()) == []
    return run(new_url, tmp_path, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == [(0,)]


def test_another_ledger_than_the_configuration_names_is_not_copied(
    scribe: Scribe, store: LedgerStore, new_url: str, tmp_path: Path
) -> None:
    with pytest.raises(LedgerError, match="not the genesis that the configuration names"):
        copy(store, locate(new_url, tmp_path).create, genesis="sha256:" + "ab" * 32)
    assert nothing_there(new_url, tmp_path)


def tampered(url: str, tmp_path: Path, statement: str) -> None:
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as client, client:
            for (name,) in client.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                client.execute(f"DROP TRIGGER {name}")
            client.execute(statement)
    else:
        off = [f"ALTER TABLE {table} DISABLE TRIGGER ALL" for table in ("entry", "artifact")]
        run(url, tmp_path, *off, statement)


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE entry SET kind = 'policy.proposed' WHERE seq = 4", "entry 4: column kind is not what"),
        ("UPDATE entry SET signature = 'x' WHERE seq = 2", "entry 2 does not continue the chain"),
        ("DELETE FROM entry WHERE seq = 3", "entry 3 is missing"),
        ("UPDATE artifact SET content = 'x'", "artifact .* has other bytes"),
    ],
)
def test_a_ledger_that_does_not_hold_is_not_copied(
    scribe: Scribe, store: LedgerStore, url: str, new_url: str, tmp_path: Path, statement: str, problem: str
) -> None:
    tampered(url, tmp_path, statement)
    with pytest.raises(LedgerError, match=problem):
        copy(store, locate(new_url, tmp_path).create)
    assert nothing_there(new_url, tmp_path)


def test_what_was_not_written_as_it_was_read_is_not_kept(
    scribe: Scribe, store: LedgerStore, new_url: str, tmp_path: Path
) -> None:
    """A destination that takes every row and changes one: a trigger of its owner's."""
    new = locate(new_url, tmp_path)

    def create(fill: Callable[[NewLedger], None]) -> None:
        new.create(lambda ledger: fill(Forgetful(ledger)))

    with pytest.raises(LedgerError, match="what was written is not what was read"):
        copy(store, create)
    assert nothing_there(new_url, tmp_path)


class Forgetful:
    """Loses the last artifact."""

    def __init__(self, new: NewLedger) -> None:
        self.raw_rows, self.artifacts, self.add_entries = new.raw_rows, new.artifacts, new.add_entries
        self._new = new

    def add_artifacts(self, artifacts: Iterable[tuple[str, bytes]]) -> None:
        self._new.add_artifacts(list(artifacts)[:-1])


def test_who_appends_meanwhile_is_not_left_behind(
    scribe: Scribe, store: LedgerStore, url: str, new_url: str, tmp_path: Path, rows: Rows
) -> None:
    other = Scribe(open_store(url, tmp_path), entries=list(scribe.entries), now=scribe.now)

    class Meanwhile(Forgetful):
        def add_artifacts(self, artifacts: Iterable[tuple[str, bytes]]) -> None:
            self._new.add_artifacts(list(artifacts))
            other.reviewed()

    new = locate(new_url, tmp_path)
    with pytest.raises(BusyError, match="somebody appended"):
        copy(store, lambda fill: new.create(lambda ledger: fill(Meanwhile(ledger))))
    assert nothing_there(new_url, tmp_path)
    assert copy(store, new.create).entries == 7


def test_a_long_ledger_is_copied_in_parts(url: str, new_url: str, tmp_path: Path) -> None:
    """More than one batch of every kind, and flat in memory: no list of all rows is ever made."""
    scribe = Scribe(create_store(url, tmp_path))
    scribe.opens()
    for number in range(120):
        scribe.created(artifacts=[f"script {number}".encode()])
    source = open_store(url, tmp_path)
    assert copy(source, locate(new_url, tmp_path).create) == Copied(121, 120, scribe.head)
    assert list(open_store(new_url, tmp_path).entries()) == scribe.entries


def test_the_server_of_the_new_ledger_ends_the_session(tmp_path: Path, pg_url: str) -> None:
    scribe = Scribe(create_store("sqlite:///ledger.db", tmp_path))
    scribe.opens()
    scribe.created(artifacts=[b"the script"])

    class Ending(Forgetful):
        def add_artifacts(self, artifacts: Iterable[tuple[str, bytes]]) -> None:
            with psycopg.connect(pg_url.replace("+psycopg", "")) as client:
                ended = client.execute(
                    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND state = 'idle in transaction'"
                )
                assert ended.fetchall() == [(True,)]
            self._new.add_artifacts(list(artifacts))

    new = locate(pg_url, tmp_path)
    assert scribe.store is not None
    with pytest.raises(LedgerError, match="can't be reached"):
        copy(scribe.store, lambda fill: new.create(lambda ledger: fill(Ending(ledger))))
    assert nothing_there(pg_url, tmp_path)
