"""Snapshots of PostgreSQL: equal after a dump and its restore, for every driver and in every state of a session.

What is found of changes is in test_mutations_postgresql.py.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from sqlalchemy import Connection, event, pool, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from migrate_flow.core.facts import Identity
from migrate_flow.core.snapshot import Indeterminate, Snapshot, difference, from_document, reordered
from migrate_flow.dialects import snapshot_postgresql
from migrate_flow.dialects.postgresql_options import plain
from migrate_flow.dialects.postgresql_text import one_form
from tests.dialects.postgresql_zoo import (
    POSTGRESQL,
    connected,
    copied,
    debian,
    expressions_on,
    roles_on,
    taken,
    told,
    zoo_on,
)
from tests.support.postgres import PostgresServer, database_name
from tests.support.replica import Replica

VERSION_TABLE = frozenset({"alembic_version"})
SETTINGS = (
    "SELECT array_agg(current_setting(n)) FROM unnest(array['search_path', 'timezone', 'datestyle', 'intervalstyle', "
    "'extra_float_digits', 'quote_all_identifiers', 'bytea_output', 'lc_monetary', 'jit']) n"
)
STATEMENTS = 15
# What PostgreSQL 15 and 18 print in two ways: views of one table, and MAINTAIN, which is new.
PRINTED_OTHERWISE = {("view", "changed"), ("materialized view", "changed"), ("rule", "changed"), ("grant", "changed")}


@pytest.fixture(scope="module")
def source(postgres: PostgresServer) -> Iterator[str]:
    """A database with the whole zoo."""
    with zoo_on(postgres) as url:
        yield url


@pytest.fixture(scope="module")
def zoo(source: str) -> Snapshot:
    return taken(source)


@pytest.fixture
def inside(source: str) -> Iterator[Connection]:
    """In a transaction that is rolled back, as superuser."""
    with connected(source) as connection:
        yield connection
        connection.rollback()


@pytest.fixture(scope="module")
def old_server() -> Iterator[PostgresServer]:
    with debian() as server:
        yield server


def test_the_zoo_is_seen_whole(zoo: Snapshot) -> None:
    kinds = {item.kind for item in zoo.objects.values()}
    assert kinds == {
        *("table", "column", "constraint", "index", "sequence", "view", "materialized view", "statistics"),
        *("enum", "domain", "composite type", "range type", "function", "procedure", "aggregate", "operator"),
        *("trigger", "trigger state", "event trigger", "rule", "policy", "schema", "extension", "collation"),
        *("publication", "foreign-data wrapper", "server", "user mapping", "foreign table", "type", "language"),
        *("access method", "cast", "conversion", "transform", "operator class", "operator family"),
        *("text search configuration", "text search dictionary", "text search parser", "text search template"),
        *("comment", "grant", "default privileges"),
    }
    assert (zoo.normaliser, zoo.server_major) == ("postgresql/1", "18")
    assert len(zoo.objects) == 256
    assert dict(zoo.objects["enum public.colour"].definition) == {"labels": "'red', 'green', 'blue'"}
    assert zoo.objects["sequence public.person_id_seq"].of == "column public.person.id"
    assert from_document(zoo.to_document()) == zoo


@pytest.mark.parametrize("made", [zoo_on, expressions_on])
@pytest.mark.parametrize("server", ["postgres", pytest.param("old_server", marks=pytest.mark.system)])
def test_a_restored_dump_is_equal_and_so_is_a_dump_of_that(
    request: pytest.FixtureRequest, server: str, made: Callable[[PostgresServer], AbstractContextManager[str]]
) -> None:
    running = request.getfixturevalue(server)
    with made(running) as first:
        second = copied(running, first, running)
        third = copied(running, second, running)
        try:
            assert told(taken(first), taken(second)) == ()
            assert taken(first).fingerprint == taken(second).fingerprint == taken(third).fingerprint
        finally:
            running.drop_database(second)
            running.drop_database(third)


@pytest.mark.system
@pytest.mark.parametrize("made", [zoo_on, expressions_on])
def test_a_restore_by_another_major_version_is_never_drift(
    old_server: PostgresServer,
    postgres: PostgresServer,
    made: Callable[[PostgresServer], AbstractContextManager[str]],
) -> None:
    """Its printers differ: that the columns of a lone table go unqualified is the one thing that would be told."""
    with made(old_server) as url, roles_on(postgres):
        before, copy = taken(url), copied(old_server, url, postgres)
        try:
            after = taken(copy)
            assert isinstance(difference(before, after), Indeterminate)
            assert before.fingerprint != after.fingerprint
            unlike = told(dataclasses.replace(before, server_major=after.server_major), after)
            assert {(item.kind, item.change) for item in unlike} <= PRINTED_OTHERWISE
        finally:
            postgres.drop_database(copy)


def test_the_order_of_columns_is_kept_apart(zoo: Snapshot, inside: Connection) -> None:
    inside.exec_driver_sql("ALTER TABLE attendance DROP event_id CASCADE; ALTER TABLE attendance ADD event_id int")
    inside.exec_driver_sql("ALTER TABLE attendance ADD FOREIGN KEY (event_id, event_at) REFERENCES event")
    after = POSTGRESQL.snapshot(inside)
    assert [item.object for item in told(zoo, after)] == ["view public.joined"]  # it went with the column
    assert reordered(zoo, after) == ("table public.attendance",)


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
@pytest.mark.parametrize("isolation_level", ["READ COMMITTED", "AUTOCOMMIT"])
def test_the_session_is_left_as_it_was(source: str, zoo: Snapshot, driver: str, isolation_level: str) -> None:
    with connected(source.replace("psycopg", driver), isolation_level) as connection:
        connection.exec_driver_sql("SET datestyle = 'German, DMY'")
        connection.commit()
        before = connection.exec_driver_sql(SETTINGS).scalar()
        sent: list[str] = []
        event.listen(connection, "before_cursor_execute", lambda *args: sent.append(args[2]))
        assert POSTGRESQL.snapshot(connection, rows=True) == zoo
        assert len(sent) <= STATEMENTS
        sent.clear()
        assert POSTGRESQL.rows(connection) == zoo.rows
        assert len(sent) <= 5
        assert connection.exec_driver_sql(SETTINGS).scalar() == before
        connection.rollback()
        assert connection.exec_driver_sql(SETTINGS).scalar() == before


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg_async"])
@pytest.mark.parametrize("isolation_level", ["READ COMMITTED", "AUTOCOMMIT"])
def test_an_asynchronous_driver_sees_the_same(source: str, zoo: Snapshot, isolation_level: str, driver: str) -> None:
    async def look() -> Snapshot:
        url = source.replace("psycopg", driver)
        engine = create_async_engine(url, poolclass=pool.NullPool, isolation_level=isolation_level)
        async with engine.connect() as connection:
            return await connection.run_sync(POSTGRESQL.snapshot)

    assert asyncio.run(look()) == zoo


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_a_transaction_begun_by_hand_goes_on(source: str, zoo: Snapshot, driver: str) -> None:
    with connected(source.replace("psycopg", driver), "AUTOCOMMIT") as connection:
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql("CREATE TABLE passing (id int)")
        assert [item.object for item in told(zoo, POSTGRESQL.snapshot(connection))] == ["table public.passing"]
        assert POSTGRESQL.row_counts(connection)["public.passing"] == 0
        connection.exec_driver_sql("ROLLBACK")
        assert POSTGRESQL.snapshot(connection) == zoo


def test_an_error_meanwhile_leaves_the_transaction_usable(source: str, inside: Connection) -> None:
    """To print a view the server looks at its tables."""
    inside.exec_driver_sql("CREATE TABLE passing (id int); SET LOCAL lock_timeout = 50")
    with connected(source) as other:
        other.exec_driver_sql("LOCK TABLE team")
        with pytest.raises(DBAPIError, match="lock timeout"):
            POSTGRESQL.snapshot(inside)
    assert "table public.passing" in POSTGRESQL.snapshot(inside).objects


@pytest.mark.parametrize("query", [0, 4, 9])
def test_a_connection_that_ends_meanwhile(
    source: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, query: int
) -> None:
    """The driver has more to say of it than what it raises, and would say it to the terminal."""
    queries = [*snapshot_postgresql.queries(15)]
    queries[query] = "SELECT pg_terminate_backend(pg_backend_pid())"
    monkeypatch.setattr(snapshot_postgresql, "queries", lambda _major: queries)
    with connected(source) as connection, pytest.raises(DBAPIError):
        POSTGRESQL.snapshot(connection)
    assert not caplog.records
    with connected(source) as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1


def test_it_asks_as_often_for_many_tables(pg_url: str) -> None:
    """Counted with a driver that asks one by one."""
    with connected(pg_url.replace("psycopg", "psycopg2")) as connection:
        sent: list[str] = []
        event.listen(connection, "before_cursor_execute", lambda *args: sent.append(args[2]))
        POSTGRESQL.snapshot(connection)
        few, made = len(sent), range(60)
        for n in made:
            connection.exec_driver_sql(f"CREATE TABLE t{n} (id serial PRIMARY KEY, n int UNIQUE REFERENCES t{n})")
        connection.commit()
        sent.clear()
        assert len(POSTGRESQL.snapshot(connection).column_order) == len(made)
        assert len(sent) == few <= STATEMENTS
        sent.clear()
        assert len(POSTGRESQL.row_counts(connection)) == len(made)
        assert len(sent) == 2


def test_the_server_tells_that_nothing_changed(source: str, zoo: Snapshot) -> None:
    """Without a row of the catalogs on the wire; other version tables, or a change and its undoing, tell nothing."""
    with connected(source) as connection:
        assert POSTGRESQL.rows(connection) == POSTGRESQL.rows(connection) == zoo.rows != ""
        assert POSTGRESQL.rows(connection, VERSION_TABLE) != zoo.rows
        connection.exec_driver_sql("CREATE TABLE fresh (id int)")
        changed = POSTGRESQL.rows(connection)
        connection.exec_driver_sql("DROP TABLE fresh")
        assert changed != zoo.rows == POSTGRESQL.rows(connection)
        connection.rollback()


def test_our_own_tables_and_the_version_table_are_left_out(zoo: Snapshot, inside: Connection) -> None:
    POSTGRESQL.prepare(inside)
    POSTGRESQL.tables.write_identity(inside, Identity("uuid", "shop", "dev", "ledger"))
    inside.exec_driver_sql(
        "CREATE FUNCTION migrate_flow.watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;"
        "CREATE EVENT TRIGGER migrate_flow_watch ON ddl_command_end EXECUTE FUNCTION migrate_flow.watch();"
        "COMMENT ON TABLE migrate_flow.target IS 'who'; GRANT SELECT ON migrate_flow.target TO zoo_clerk;"
        "ALTER DEFAULT PRIVILEGES IN SCHEMA migrate_flow GRANT SELECT ON TABLES TO zoo_clerk;"
        "CREATE TABLE stock.alembic_version (id serial, version_num text PRIMARY KEY);"
        "COMMENT ON COLUMN stock.alembic_version.version_num IS 'heads';"
        "GRANT SELECT ON stock.alembic_version TO PUBLIC"
    )
    assert told(zoo, POSTGRESQL.snapshot(inside, VERSION_TABLE)) == ()
    assert told(zoo, POSTGRESQL.snapshot(inside, frozenset({"stock.alembic_version"}))) == ()
    assert "table stock.alembic_version" in POSTGRESQL.snapshot(inside, frozenset({"other.alembic_version"})).objects


def test_rows_are_counted_where_they_are(inside: Connection) -> None:
    inside.execute(text('CREATE TABLE "100% odd"".name" AS SELECT 1'))
    inside.exec_driver_sql("INSERT INTO manager (age) VALUES (3); INSERT INTO event VALUES (1, '2026-05-05')")
    counts = POSTGRESQL.row_counts(inside, frozenset({"public.attendance"}))
    expected = {"person": 1, "manager": 1, "team": 2, "event_2026": 1, "event_2025": 0, "event_rest": 0, "scratch": 0}
    expected |= dict.fromkeys(
        ("box", "half_typed", "kept_elsewhere", "newer", "newer_part", "parted_a0", "parted_a1"), 0
    )
    assert counts == {f"public.{name}": n for name, n in expected.items()} | {
        "stock.thing": 0,
        'public."100% odd"".name"': 1,
    }


@pytest.mark.parametrize(
    ("printed", "same"),
    [
        (
            "((s)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[]))",
            "((s)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::character varying)::text]))",
        ),
        ("(((n >= 1) AND (n <= 5)) AND ((n <> 3) AND (n <> 4)))", "((n >= 1) AND (n <= 5) AND (n <> 3) AND (n <> 4))"),
        ("((a OR b) OR c)", "(a OR (b OR c))"),
        ("SELECT a,\n    b\n   FROM t;", "SELECT a, b FROM t"),
        ('(ARRAY[(x), y])::public."T"[]', 'ARRAY[((x))::public."T", (y)::public."T"]'),
        ("(ARRAY[ARRAY[a], ARRAY[b]])::text[]", "ARRAY[ARRAY[(a)::text], ARRAY[(b)::text]]"),
        ("((n > (- 1)) AND (m > (- 1.5)))", "((n > '-1'::integer) AND (m > '-1.5'::numeric))"),
        ("(a LEFT JOIN b ON TRUE)", "(a LEFT JOIN b ON (true))"),
        ("(SELECT 1 AS a UNION ALL SELECT 2 AS int4)", "(SELECT 1 AS a UNION ALL SELECT 2)"),
    ],
)
def test_two_prints_of_one_expression_are_equal(printed: str, same: str) -> None:
    assert one_form(printed) == one_form(same)
    assert one_form(one_form(printed)) == one_form(printed)


@pytest.mark.parametrize(
    ("printed", "other"),
    [
        ("((a AND b) OR c)", "(a AND (b OR c))"),
        ("('a  b'::text)", "('a b'::text)"),
        ("(x = '(a AND b) AND c'::text)", "(x = 'a AND b AND c'::text)"),
        (r"(x = E'it\\'' AND'::text)", r"(x = E'it\\''  AND'::text)"),
        ("(ARRAY['a'::text])::character varying[]", "(ARRAY['a'::text])::text[]"),
        ("((NOT (a AND b)) AND c)", "((NOT a AND b) AND c)"),
        ("(n > (- 1))", "(n > (- (1)::smallint))"),
        ("(n - 1)", "(n '-1'::integer)"),
        ("(SELECT 1 AS a UNION ALL SELECT 2)", "(SELECT 1 AS b UNION ALL SELECT 2)"),
        ("(SELECT 1 UNION ALL SELECT 2 FROM f() AS t(a integer))", "(SELECT 1 UNION ALL SELECT 2 FROM f())"),
        ("'(ARRAY[a])::text[]'", "'ARRAY[(a)::text]'"),
    ],
)
def test_other_expressions_are_not(printed: str, other: str) -> None:
    assert one_form(printed) != one_form(other)


def test_an_expression_too_deep_for_us_is_still_compared() -> None:
    deep = "(" * 5000 + "a AND  b" + ")" * 5000
    assert one_form(deep) == one_form(deep.replace("  ", "\n")) != one_form(deep.replace("b", "c"))


@pytest.mark.system
def test_the_order_of_a_database_s_own_collation_is_no_matter(old_server: PostgresServer) -> None:
    mixed = (
        'CREATE TABLE t (a int, _b int, "B" int) WITH (fillfactor = 50, autovacuum_enabled);'
        'CREATE PUBLICATION p FOR TABLE t (a, _b, "B"); CREATE STATISTICS s ON a, _b, "B" FROM t'
    )
    found = []
    with zoo_on(old_server) as url:
        for how in ("LOCALE 'C'", "LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LC_COLLATE 'C' LC_CTYPE 'C'"):
            old_server.execute(f"CREATE DATABASE collated TEMPLATE template0 {how}")
            copy = copied(old_server, url, old_server, "collated")
            old_server.execute(mixed, database="collated")
            found.append(taken(copy))
            old_server.drop_database(copy)
    assert found[0] == found[1]


@pytest.mark.sweep
def test_a_replica_shows_the_same(postgres: PostgresServer, source: str, zoo: Snapshot) -> None:
    with Replica(postgres) as replica:
        replica.catch_up()
        assert taken(replica.url(database_name(source))) == zoo


def test_only_options_that_hold_no_secret_are_told() -> None:
    told_of = plain(["port=5", "host=h", "password=p", "api_key=k", "dbname=postgres://u:p@h", "schema_name=s p"])
    assert told_of == "api_key=(set), dbname=(set), host=h, password=(set), port=5, schema_name=s p"
    assert plain(["table_name=select secret"]) == "table_name=(set)"
    assert plain(None) == plain([]) == ""
