"""Snapshots of PostgreSQL: equal after a dump and its restore, each kind of change found and named."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, event, pool, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from migrate_flow.core.facts import Identity
from migrate_flow.core.snapshot import Difference, Snapshot, difference, from_document, reordered
from migrate_flow.dialects import dialect_for
from migrate_flow.dialects.postgresql_text import one_form
from tests.support.postgres import PostgresServer, database_name

POSTGRESQL = dialect_for("postgresql")
ZOO = (Path(__file__).parent / "zoo" / "postgresql.sql").read_text()
VERSION_TABLE = frozenset({"alembic_version"})
ROLES = ("zoo_clerk", "zoo_auditor")
SETTINGS = (
    "SELECT array_agg(current_setting(n)) FROM unnest(array['search_path', 'timezone', 'datestyle', 'intervalstyle', "
    "'extra_float_digits', 'quote_all_identifiers', 'bytea_output']) n"
)
STATEMENTS = 15


@contextmanager
def connected(url: str, isolation_level: str = "READ COMMITTED") -> Iterator[Connection]:
    engine = create_engine(url, poolclass=pool.NullPool, isolation_level=isolation_level)
    with engine.connect() as connection:
        yield connection


def taken(url: str) -> Snapshot:
    with connected(url) as connection:
        return POSTGRESQL.snapshot(connection, VERSION_TABLE)


def told(before: Snapshot, after: Snapshot) -> Sequence[Difference]:
    found = difference(before, after)
    assert isinstance(found, tuple)
    return found


@pytest.fixture(scope="module")
def source(postgres: PostgresServer) -> Iterator[str]:
    """A database with the whole zoo."""
    for role in ROLES:
        postgres.execute(f"CREATE ROLE {role}")
    url = postgres.create_database()
    postgres.execute(ZOO, database=database_name(url))
    yield url
    postgres.drop_database(url)
    for role in ROLES:
        postgres.execute(f"DROP ROLE {role}")


@pytest.fixture(scope="module")
def zoo(source: str) -> Snapshot:
    return taken(source)


@pytest.fixture
def inside(source: str) -> Iterator[Connection]:
    """In a transaction that is rolled back, as superuser."""
    with connected(source) as connection:
        yield connection
        connection.rollback()


def restored(postgres: PostgresServer, url: str) -> str:
    dump = postgres.folder / "zoo.dump"
    to = [f"--host={postgres.folder}", "--username=postgres"]
    postgres.run("pg_dump", "--format=custom", f"--file={dump}", *to, database_name(url))
    copy = postgres.create_database()
    postgres.run("pg_restore", "--exit-on-error", f"--dbname={database_name(copy)}", *to, dump)
    return copy


def test_the_zoo_is_seen_whole(zoo: Snapshot) -> None:
    kinds = {item.kind for item in zoo.objects.values()}
    assert kinds == {
        *("table", "column", "constraint", "index", "sequence", "view", "materialized view", "statistics"),
        *("enum", "domain", "composite type", "range type", "function", "procedure", "aggregate", "operator"),
        *("trigger", "event trigger", "rule", "policy", "schema", "extension", "collation", "publication"),
        *("comment", "grant", "default privileges"),
    }
    assert (zoo.normaliser, zoo.server_major) == ("postgresql/1", "18")
    assert len(zoo.objects) == 130
    assert dict(zoo.objects["enum public.colour"].definition) == {"labels": "'red', 'green', 'blue'"}
    assert zoo.objects["sequence public.person_id_seq"].of == "column public.person.id"
    assert from_document(zoo.to_document()) == zoo


def test_a_restored_dump_is_equal_and_so_is_a_dump_of_that(
    postgres: PostgresServer, source: str, zoo: Snapshot
) -> None:
    second = restored(postgres, source)
    third = restored(postgres, second)
    try:
        assert told(zoo, taken(second)) == ()
        assert zoo.fingerprint == taken(second).fingerprint == taken(third).fingerprint
    finally:
        postgres.drop_database(second)
        postgres.drop_database(third)


@pytest.mark.parametrize(
    ("statement", "found", "change"),
    [
        ("CREATE TABLE new (id int PRIMARY KEY, n serial)", "table public.new", "added"),
        ("DROP TABLE attendance CASCADE; DROP VIEW IF EXISTS joined", "table public.attendance", "removed"),
        ("ALTER TABLE scratch SET LOGGED", "table public.scratch", "changed"),
        ("ALTER TABLE team SET (fillfactor = 50)", "table public.team", "changed"),
        ("ALTER TABLE person NO FORCE ROW LEVEL SECURITY", "table public.person", "changed"),
        ("ALTER TABLE manager NO INHERIT person", "table public.manager", "changed"),
        ("ALTER TABLE event DETACH PARTITION event_rest", "table public.event_rest", "changed"),
        ("CREATE TABLE event_1999 PARTITION OF event FOR VALUES FROM ('1999-01-01') TO ('2000-01-01')",
         "table public.event_1999", "added"),
        ("ALTER TABLE team ADD COLUMN n int", "column public.team.n", "added"),
        ("ALTER TABLE attendance ALTER event_at SET NOT NULL", "column public.attendance.event_at", "changed"),
        ("ALTER TABLE attendance ADD CONSTRAINT n NOT NULL event_at NOT VALID", "column public.attendance.event_at",
         "changed"),
        ("ALTER TABLE team ALTER name SET DEFAULT 'x'", "column public.team.name", "changed"),
        ("ALTER TABLE scratch ALTER i TYPE bigint", "column public.scratch.i", "changed"),
        ('ALTER TABLE stock.thing ADD COLUMN c text COLLATE "C"', "column stock.thing.c", "added"),
        ("ALTER TABLE team ALTER id SET GENERATED BY DEFAULT", "column public.team.id", "changed"),
        ("ALTER TABLE team ALTER id DROP IDENTITY", "column public.team.id", "changed"),
        ("ALTER TABLE person ALTER age SET STATISTICS 7", "column public.person.age", "changed"),
        ("ALTER TABLE person ALTER tags SET STORAGE main", "column public.person.tags", "changed"),
        ("ALTER TABLE person DROP CONSTRAINT age_fits", "constraint public.person.age_fits", "removed"),
        ("ALTER TABLE person VALIDATE CONSTRAINT later", "constraint public.person.later", "changed"),
        (
            "ALTER TABLE person ALTER CONSTRAINT person_team_id_fkey NOT DEFERRABLE",
            "constraint public.person.person_team_id_fkey",
            "changed",
        ),
        ("ALTER TABLE event ADD CHECK (id > 0)", "constraint public.event.event_id_check", "added"),
        ("CREATE INDEX more ON team (name)", "index public.more", "added"),
        ("ALTER INDEX person_grade SET (fillfactor = 60)", "index public.person_grade", "changed"),
        ("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ages_age'::regclass", "index public.ages_age",
         "changed"),
        ("ALTER TABLE team REPLICA IDENTITY USING INDEX team_pkey", "constraint public.team.team_pkey", "changed"),
        ("ALTER TYPE colour ADD VALUE 'black'", "enum public.colour", "changed"),
        ("ALTER DOMAIN short DROP NOT NULL", "domain public.short", "changed"),
        ("ALTER DOMAIN short DROP CONSTRAINT short_known", "constraint public.short.short_known", "removed"),
        ("ALTER TYPE point3 ADD ATTRIBUTE z int", "composite type public.point3", "changed"),
        ("CREATE TYPE other AS RANGE (SUBTYPE = int)", "range type public.other", "added"),
        ("ALTER SEQUENCE stock.numbers CACHE 9", "sequence stock.numbers", "changed"),
        ("ALTER SEQUENCE stock.numbers OWNED BY stock.thing.n", "sequence stock.numbers", "changed"),
        ("CREATE OR REPLACE VIEW totals AS SELECT 'x'::text COLLATE \"C\" AS name, 1::bigint AS n, 2::bigint AS w",
         "view public.totals", "changed"),
        ("DROP MATERIALIZED VIEW later_ages", "materialized view public.later_ages", "removed"),
        ("ALTER FUNCTION one_more(int) VOLATILE", "function public.one_more(integer)", "changed"),
        ("CREATE FUNCTION one_more(text) RETURNS int LANGUAGE sql AS 'SELECT 1'", "function public.one_more(text)",
         "added"),
        ("DROP PROCEDURE tidy", "procedure public.tidy()", "removed"),
        ("DROP AGGREGATE product(int)", "aggregate public.product(integer)", "removed"),
        ("ALTER TABLE person DISABLE TRIGGER touch", "trigger public.person.touch", "changed"),
        ("DROP TRIGGER checked ON team", "trigger public.team.checked", "removed"),
        ("DROP RULE no_more ON team", "rule public.team.no_more", "removed"),
        ("ALTER EVENT TRIGGER watch DISABLE", "event trigger watch", "changed"),
        ("ALTER POLICY own ON person TO zoo_clerk", "policy public.person.own", "changed"),
        ("ALTER POLICY own ON person USING (age > 1)", "policy public.person.own", "changed"),
        ("DROP STATISTICS person_both", "statistics public.person_both", "removed"),
        ("DROP EXTENSION pg_trgm", "extension pg_trgm", "removed"),
        ("CREATE SCHEMA more", "schema more", "added"),
        ("DROP OPERATOR === (int, int)", "operator public.===(integer,integer)", "removed"),
        ("COMMENT ON COLUMN person.age IS 'now'", "comment column public.person.age", "changed"),
        ("COMMENT ON TABLE person IS NULL", "comment table public.person", "removed"),
        ("GRANT DELETE ON person TO zoo_clerk", "grant to zoo_clerk on table public.person", "changed"),
        ("GRANT EXECUTE ON FUNCTION one_more(int) TO PUBLIC",
         "grant to PUBLIC on function public.one_more(integer)", "removed"),
        ("REVOKE INSERT ON team FROM CURRENT_USER", "grant to owner on table public.team", "added"),
        ("GRANT SELECT (name) ON team TO zoo_auditor", "grant to zoo_auditor on column public.team.name", "added"),
        ("ALTER DEFAULT PRIVILEGES IN SCHEMA stock GRANT INSERT ON TABLES TO zoo_clerk",
         "default privileges of postgres in stock on tables to zoo_clerk", "changed"),
    ],
)  # fmt: skip
def test_a_change_is_named(zoo: Snapshot, inside: Connection, statement: str, found: str, change: str) -> None:
    inside.exec_driver_sql(statement)
    changes = told(zoo, POSTGRESQL.snapshot(inside))
    assert (found, change) in {(item.object, item.change) for item in changes}
    assert len(changes) <= 5


HARMLESS = """
ANALYZE; INSERT INTO team (name) VALUES ('z'); DELETE FROM person; SELECT nextval('stock.numbers');
SELECT setval('person_id_seq', 700); REFRESH MATERIALIZED VIEW ages; REFRESH MATERIALIZED VIEW later_ages;
REINDEX TABLE team;
CREATE TEMP TABLE passing (id serial PRIMARY KEY, c colour); CREATE TEMP VIEW seen AS SELECT 1;
GRANT DELETE ON team TO zoo_clerk; REVOKE DELETE ON team FROM zoo_clerk;
REVOKE EXECUTE ON FUNCTION stamp() FROM PUBLIC; GRANT EXECUTE ON FUNCTION stamp() TO PUBLIC;
COMMENT ON TABLE team IS 'x'; COMMENT ON TABLE team IS NULL;
ALTER TABLE team ADD COLUMN passing int; ALTER TABLE team DROP COLUMN passing;
ALTER TABLE team RENAME CONSTRAINT team_name_not_null TO odd;
UPDATE pg_attribute SET attoptions = '{pg_attver=35566424}' WHERE attrelid = 'attendance'::regclass AND attnum > 0;
ALTER TABLE scratch OWNER TO zoo_clerk; ALTER TABLE person OWNER TO zoo_auditor;
SET LOCAL search_path = stock; SET LOCAL timezone = 'Asia/Tokyo'; SET LOCAL datestyle = 'SQL, DMY';
SET LOCAL intervalstyle = 'iso_8601'; SET LOCAL quote_all_identifiers = on"""


def test_harmless_acts_make_no_difference(zoo: Snapshot, inside: Connection) -> None:
    inside.exec_driver_sql(HARMLESS)
    assert told(zoo, POSTGRESQL.snapshot(inside)) == ()


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
        assert POSTGRESQL.snapshot(connection) == zoo
        assert len(sent) <= STATEMENTS
        assert connection.exec_driver_sql(SETTINGS).scalar() == before
        connection.rollback()
        assert connection.exec_driver_sql(SETTINGS).scalar() == before


@pytest.mark.parametrize("isolation_level", ["READ COMMITTED", "AUTOCOMMIT"])
def test_an_asynchronous_driver_sees_the_same(source: str, zoo: Snapshot, isolation_level: str) -> None:
    async def look() -> Snapshot:
        url = source.replace("psycopg", "asyncpg")
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


def test_an_error_meanwhile_leaves_the_transaction_usable(inside: Connection) -> None:
    inside.exec_driver_sql("CREATE TABLE passing (id int); SET LOCAL statement_timeout = 1")
    with pytest.raises(DBAPIError, match="statement timeout"):
        [POSTGRESQL.snapshot(inside) for _ in range(1000)]
    inside.exec_driver_sql("SET LOCAL statement_timeout = 0")
    assert "table public.passing" in POSTGRESQL.snapshot(inside).objects


def test_it_asks_as_often_for_many_tables(pg_url: str) -> None:
    with connected(pg_url) as connection:
        for n in range(60):
            connection.exec_driver_sql(f"CREATE TABLE t{n} (id serial PRIMARY KEY, n int UNIQUE REFERENCES t{n})")
        sent: list[str] = []
        event.listen(connection, "before_cursor_execute", lambda *args: sent.append(args[2]))
        assert len(POSTGRESQL.snapshot(connection).column_order) == 60
        assert len(sent) == STATEMENTS
        sent.clear()
        assert len(POSTGRESQL.row_counts(connection)) == 60
        assert len(sent) == 2


def test_our_own_tables_and_the_version_table_are_left_out(zoo: Snapshot, inside: Connection) -> None:
    POSTGRESQL.prepare(inside)
    POSTGRESQL.tables.write_identity(inside, Identity("uuid", "shop", "dev", "ledger"))
    inside.exec_driver_sql(
        "CREATE FUNCTION migrate_flow.watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;"
        "CREATE EVENT TRIGGER migrate_flow_watch ON ddl_command_end EXECUTE FUNCTION migrate_flow.watch();"
        "COMMENT ON TABLE migrate_flow.target IS 'who'; GRANT SELECT ON migrate_flow.target TO zoo_clerk;"
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
    ],
)
def test_other_expressions_are_not(printed: str, other: str) -> None:
    assert one_form(printed) != one_form(other)


def test_an_expression_too_deep_for_us_is_still_compared() -> None:
    deep = "(" * 5000 + "a AND  b" + ")" * 5000
    assert one_form(deep) == one_form(deep.replace("  ", "\n")) != one_form(deep.replace("b", "c"))
