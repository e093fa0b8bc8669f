"""What a server brings with it: rules that hold against every client, rights, and errors that say what to do."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from migrate_flow.core.redaction import redact
from migrate_flow.errors import BusyError, ConfigError, LedgerError
from migrate_flow.ledger import postgresql
from migrate_flow.ledger.store import LedgerStore, create_store, open_store
from tests.ledger.conftest import Rows, run
from tests.support.builders import Scribe
from tests.support.pgbouncer import Pgbouncer
from tests.support.postgres import PostgresServer, database_name
from tests.support.replica import Replica

COLUMNS = "seq, prev, hash, statement, signature, kind, revision, environment, actor, at"
HEAD = "(SELECT hash FROM entry ORDER BY seq DESC LIMIT 1)"
NEW = "'" + "ab" * 32 + "'"
RIGHT = (
    "encode(sha256(decode((SELECT hash FROM entry WHERE seq = 6), 'hex') || sha256(statement) "
    "|| sha256(convert_to(signature, 'UTF8'))), 'hex')"
)


def copied(**values: str) -> str:
    """A SELECT of entry 4 with some columns replaced by SQL expressions."""
    return f"SELECT {', '.join(values.get(name, name) for name in COLUMNS.split(', '))} FROM entry WHERE seq = 4"


TEAM = """"team a'$$%s\""""
REFUSED = {
    "update": "UPDATE entry SET actor = 'bob@example.com' WHERE seq = 4",
    "update of nothing": "UPDATE entry SET actor = actor WHERE seq = 99",
    "delete": "DELETE FROM entry WHERE seq = 6",
    "delete of nothing": "DELETE FROM entry WHERE false",
    "truncate": "TRUNCATE entry",
    "truncate both": "TRUNCATE artifact, entry CASCADE",
    "upsert": f"INSERT INTO entry {copied()} ON CONFLICT (seq) DO UPDATE SET actor = 'bob@example.com'",
    "merge": "MERGE INTO entry USING (SELECT 4 AS n) s ON seq = s.n WHEN MATCHED THEN DELETE",
    "insert with a gap": f"INSERT INTO entry {copied(seq='8', prev=HEAD, hash=RIGHT)}",
    "insert before": f"INSERT INTO entry {copied(seq='0', prev=HEAD, hash=RIGHT)}",
    "insert without a position": f"INSERT INTO entry {copied(seq='NULL', prev=HEAD, hash=RIGHT)}",
    "insert onto another": f"INSERT INTO entry {copied(seq='7', prev='hash', hash=NEW)}",
    "insert with another hash": f"INSERT INTO entry {copied(seq='7', prev=HEAD, hash=NEW)}",
    "insert or ignore": f"INSERT INTO entry {copied(seq='9', prev=HEAD, hash=NEW)} ON CONFLICT DO NOTHING",
    "in a CTE": "WITH gone AS (DELETE FROM entry RETURNING *) SELECT * FROM gone",
    "artifact: update": "UPDATE artifact SET content = ''",
    "artifact: delete": "DELETE FROM artifact",
    "artifact: truncate": "TRUNCATE artifact",
    "artifact: other bytes": f"INSERT INTO artifact VALUES ({NEW}, 'x')",
    "artifact: upsert": "INSERT INTO artifact SELECT * FROM artifact ON CONFLICT (sha256) DO UPDATE SET content = ''",
}


@pytest.fixture
def url(pg_url: str) -> str:
    return pg_url


def with_options(url: str, *options: str) -> str:
    return f"{url}&options=" + "%20".join(f"-c{option}" for option in options)


@pytest.mark.fault("A17")
@pytest.mark.parametrize("role", ["origin", "replica", "local"])
@pytest.mark.parametrize("name", REFUSED)
def test_not_even_the_owner_changes_anything(
    scribe: Scribe, url: str, tmp_path: Path, rows: Rows, name: str, role: str
) -> None:
    before = rows()
    with pytest.raises(psycopg.Error, match="append-only"):
        run(url, tmp_path, f"SET session_replication_role = {role}", REFUSED[name])
    assert rows() == before


def test_a_temporary_table_does_not_stand_in_for_the_ledger(
    scribe: Scribe, url: str, tmp_path: Path, rows: Rows
) -> None:
    before = rows()
    origin = "repeat('0', 64)"
    first = copied(seq="1", prev=origin, hash=RIGHT.replace("(SELECT hash FROM entry WHERE seq = 6)", origin))
    statements = (
        "CREATE TEMPORARY TABLE entry (seq bigint, hash text)",
        f"INSERT INTO public.entry {first.replace('FROM entry', 'FROM public.entry')}",
    )
    with pytest.raises(psycopg.Error, match="append-only"):
        run(url, tmp_path, *statements)
    assert rows() == before


def test_functions_of_a_client_s_own_do_not_stand_in_for_the_server_s(
    scribe: Scribe, url: str, tmp_path: Path, rows: Rows
) -> None:
    before = rows()
    with pytest.raises(psycopg.Error, match="append-only"):
        run(
            url,
            tmp_path,
            "CREATE SCHEMA own",
            f"CREATE FUNCTION own.encode(bytea, text) RETURNS text LANGUAGE sql AS $$ SELECT {NEW} $$",
            "SET search_path = own, pg_catalog, public",
            f"INSERT INTO entry {copied(seq='7', prev=HEAD, hash=NEW)}",
        )
    assert rows() == before


def test_a_plain_client_may_append_what_continues_the_chain(
    store: LedgerStore, scribe: Scribe, url: str, tmp_path: Path
) -> None:
    """The triggers know nothing of signatures, nor of what a statement says; reading does."""
    seventh = copied(seq="7", prev=HEAD, hash=RIGHT, actor="'x'")
    run(url, tmp_path, f"INSERT INTO entry {seventh}")
    with pytest.raises(LedgerError, match="entry 7: column actor is not what the statement says"):
        list(store.entries())


def test_what_the_owner_changes_without_the_triggers_is_found(
    store: LedgerStore, scribe: Scribe, url: str, tmp_path: Path
) -> None:
    run(url, tmp_path, "ALTER TABLE entry DISABLE TRIGGER ALL", "UPDATE entry SET statement = '{}' WHERE seq = 4")
    for read in (lambda: list(store.entries()), lambda: store.at([4])):
        with pytest.raises(LedgerError, match="the ledger can't be trusted: entry 4"):
            read()
    run(url, tmp_path, "ALTER TABLE artifact DISABLE TRIGGER ALL", "UPDATE artifact SET content = 'x'")
    digest = next(iter(dict(store.artifacts())))
    with pytest.raises(LedgerError, match="does not have the bytes of its digest"):
        store.artifact(digest)


@contextmanager
def held(url: str, *statements: str) -> Iterator[None]:
    with psycopg.connect(url.replace("+psycopg", "")) as other:
        for statement in statements:
            other.execute(statement.encode())
        yield


@pytest.mark.parametrize("lock", ["the appender's", "LOCK TABLE entry IN SHARE MODE"])
def test_a_locked_ledger_is_busy_after_a_bounded_time(
    store: LedgerStore, scribe: Scribe, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: Rows, lock: str
) -> None:
    monkeypatch.setattr(postgresql, "_WRITE", postgresql._WRITE.replace(postgresql.LOCK_TIMEOUT, "50ms"))
    before = rows()
    other = open_store(url, tmp_path)
    with other.write() if lock == "the appender's" else held(url, lock):
        assert len(list(store.entries())) == 6, "readers do not wait"
        with pytest.raises(BusyError, match="another process writes to the ledger") as raised:
            scribe.created(artifacts=[b"new"])
    assert raised.value.exit_code == 5
    assert rows() == before
    assert scribe.created().seq == 7


def test_appending_while_one_reads_from_the_same_object(store: LedgerStore, scribe: Scribe) -> None:
    reading = store.entries()
    next(reading)
    scribe.created()
    assert len(list(reading)) == 5, "the ledger as it was when the reading began"
    assert len(list(store.entries())) == 7


def test_a_ledger_in_a_schema_of_its_own(url: str, tmp_path: Path) -> None:
    own = with_options(url, "search_path%3D%22team%5C%20a%27%24%24%25s%22")  # the blank needs a backslash
    with pytest.raises(LedgerError, match="no schema has been selected") as raised:
        create_store(own, tmp_path)
    assert "CREATE SCHEMA" in raised.value.hint
    run(url, tmp_path, f"CREATE SCHEMA {TEAM}")
    Scribe(create_store(own, tmp_path)).opens()
    Scribe(create_store(url, tmp_path)).opens()  # beside it
    assert run(url, tmp_path, f"SELECT count(*) FROM {TEAM}.entry") == [(1,)]
    ((body,),) = run(own, tmp_path, "SELECT prosrc FROM pg_proc WHERE oid = 'ledger_entry_append'::regproc")
    assert f"FROM {TEAM}.entry" in body, "the trigger knows its table by name, too"
    assert f'ON TABLE {TEAM}.entry, {TEAM}.artifact TO "app"' in open_store(own, tmp_path).grants("app")


def test_the_guards_go_with_a_table_that_moves(
    store: LedgerStore, scribe: Scribe, url: str, tmp_path: Path, rows: Rows
) -> None:
    """Another table takes its place and its name: the trigger looks at its own."""
    away = with_options(url, "search_path%3Daway")
    run(
        url,
        tmp_path,
        "CREATE SCHEMA away",
        "ALTER TABLE entry SET SCHEMA away",
        "CREATE TABLE entry AS TABLE away.entry",
    )
    run(url, tmp_path, "DELETE FROM entry WHERE seq > 3")
    for wrong in (copied(seq="4", prev="prev", hash="hash"), copied(seq="8", prev=HEAD, hash=RIGHT)):
        with pytest.raises(psycopg.Error, match="append-only"):
            run(away, tmp_path, f"INSERT INTO entry {wrong}")
    run(away, tmp_path, f"INSERT INTO entry {copied(seq='7', prev=HEAD, hash=RIGHT)}")


def test_one_connection_serves_all_calls(store: LedgerStore, scribe: Scribe, url: str, tmp_path: Path) -> None:
    list(store.entries())
    store.artifact("ab" * 32)
    ours = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"
    with psycopg.connect(url.replace("+psycopg", "")) as client:
        assert client.execute(ours, ("migrate-flow ledger",)).fetchone() == (1,)


def test_an_object_that_goes_closes_its_connections(scribe: Scribe, url: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store = open_store(url, tmp_path)
        reading = store.entries()
        next(reading)
        assert store.at([1])
        del reading, store


def test_a_kept_connection_that_died_is_replaced(
    store: LedgerStore, scribe: Scribe, url: str, postgres: PostgresServer
) -> None:
    for use in (lambda: len(list(store.entries())) == 6, lambda: scribe.created().seq == 7):
        ended = postgres.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s", database_name(url)
        )
        assert ended == [(True,)]
        assert use()


@pytest.mark.system
def test_a_pooler_in_transaction_mode_may_stand_between(url: str, tmp_path: Path, postgres: PostgresServer) -> None:
    with Pgbouncer(postgres) as pooler:
        through = pooler.url(database_name(url))
        scribe = Scribe(create_store(through, tmp_path))
        scribe.opens()
        one, two = (open_store(through, tmp_path) for _ in range(2))
        for number in range(10):  # more often than the driver waits before it would prepare
            scribe.store = two if number % 2 else one
            scribe.created(artifacts=[str(number).encode()])
        assert list(one.entries()) == scribe.entries
        del one, two, scribe


def test_what_was_committed_is_durable_whatever_the_default_is(url: str, tmp_path: Path) -> None:
    run(url, tmp_path, f'ALTER DATABASE "{database_name(url)}" SET synchronous_commit = off')
    with create_store(url, tmp_path).write() as transaction:
        assert transaction.rows("SHOW synchronous_commit") == [("on",)]
        assert transaction.rows("SHOW lock_timeout") == [("10s",)]


def test_a_replica_is_read_and_says_that_nothing_is_written_there(
    scribe: Scribe, url: str, tmp_path: Path, postgres: PostgresServer
) -> None:
    with Replica(postgres) as replica:
        replica.catch_up()
        store = open_store(replica.url(database_name(url)), tmp_path)
        assert list(store.entries()) == scribe.entries
        scribe.store = store
        with pytest.raises(LedgerError, match="only takes reads") as raised:
            scribe.created()
        assert (raised.value.exit_code, "primary" in raised.value.hint) == (4, True)


def test_a_database_that_is_set_to_read_only(scribe: Scribe, url: str, tmp_path: Path) -> None:
    scribe.store = open_store(with_options(url, "default_transaction_read_only%3Don"), tmp_path)
    assert list(scribe.store.entries()) == scribe.entries
    with pytest.raises(LedgerError, match="only takes reads"):
        scribe.created()


def test_text_of_another_encoding_is_no_place_for_a_ledger(postgres: PostgresServer, tmp_path: Path) -> None:
    postgres.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")
    with pytest.raises(LedgerError, match="keeps its text as LATIN1") as raised:
        create_store(postgres.url("latin"), tmp_path)
    assert raised.value.hint.startswith("createdb --encoding=UTF8")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("@/test", "@/nosuch", 'database "nosuch.*" does not exist'),
        ("/tmp/", "/tmp/nosuch/", "can't be reached: .*No such file"),
        ("postgres@", "nobody_here@", 'role "nobody_here" does not exist'),
    ],
)
def test_a_server_that_does_not_let_us_in(url: str, tmp_path: Path, old: str, new: str, problem: str) -> None:
    for function in (open_store, create_store):
        with pytest.raises(LedgerError, match=problem) as raised:
            function(url.replace(old, new), tmp_path)
        assert raised.value.exit_code == 4
        assert "psql" in raised.value.hint


def test_an_empty_database_holds_no_ledger(url: str, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="there is no ledger in this database") as raised:
        open_store(url, tmp_path)
    assert (raised.value.exit_code, raised.value.hint) == (4, "migrate-flow init")


@pytest.mark.parametrize(
    "form",
    [
        "postgresql://ada:{secret}@/ledger?host=/nowhere",
        "postgresql://ada@/ledger?host=/nowhere&password={secret}",
        "postgresql+psycopg://ada:{secret}@nosuch.invalid/ledger",
        "postgresql://ada@/ledger?host=/nowhere&sslkey=/x&sslpassword={secret}",
    ],
)
def test_a_password_is_in_no_error_and_in_no_description(tmp_path: Path, form: str) -> None:
    secret = "s3cret-canary"
    with pytest.raises(LedgerError) as raised:
        open_store(form.format(secret=secret), tmp_path)
    error = raised.value
    assert secret not in f"{error.message}{error.hint}{error.where}"
    assert secret not in redact(f"what a driver may say: {secret}")


def test_without_the_driver_the_way_to_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("migrate_flow.ledger.postgresql")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match="needs the driver psycopg") as raised:
        open_store("postgresql://ada@host/ledger", tmp_path)
    assert (raised.value.exit_code, raised.value.hint) == (2, "pip install 'migrate-flow[postgresql]'")
