"""What the guard records, what it refuses and leaves as it was, and what it lets pass."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import psycopg
import pytest

from migrate_flow.dialects import guard_postgresql as guard
from tests.support.guarded import REFUSED, Guarded
from tests.support.postgres import PostgresServer

STANDING = (
    "CREATE TABLE item (id int PRIMARY KEY, name text)",
    "INSERT INTO item VALUES (1, 'one'), (2, 'two')",
    "CREATE INDEX ix_name ON item (name)",
    "CREATE TABLE part (id int) PARTITION BY RANGE (id)",
    "CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (1) TO (10)",
    "CREATE MATERIALIZED VIEW seen AS SELECT id FROM item",
    "CREATE UNIQUE INDEX ON seen (id)",
    "CREATE SCHEMA old CREATE TABLE kept (id int) CREATE VIEW shown AS SELECT id FROM kept",
    "CREATE EXTENSION citext",
    "CREATE FUNCTION make() RETURNS void LANGUAGE plpgsql AS 'BEGIN CREATE TABLE made (id int); END'",
    "CREATE FOREIGN DATA WRAPPER wrapper",
    "CREATE SERVER remote FOREIGN DATA WRAPPER wrapper",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
)
# Statement, tag, and the objects that must be named, the first one first.
SEEN = (
    ("CREATE TABLE new (id int PRIMARY KEY)", "CREATE TABLE", ("table public.new", "index public.new_pkey")),
    ("CREATE TABLE new AS SELECT 1 AS one", "CREATE TABLE AS", ("table public.new",)),
    ("SELECT 1 AS one INTO new", "SELECT INTO", ("table public.new",)),
    ("CREATE VIEW new AS SELECT 1 AS one", "CREATE VIEW", ("view public.new",)),
    ("CREATE MATERIALIZED VIEW new AS SELECT 1 AS one", "CREATE MATERIALIZED VIEW", ("materialized view public.new",)),
    ("CREATE SCHEMA new CREATE TABLE t (id int)", "CREATE SCHEMA", ("schema new", "table new.t")),
    ("CREATE FUNCTION new() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE FUNCTION", ("function public.new()",)),
    ("CREATE EXTENSION pg_trgm", "CREATE EXTENSION", ("extension pg_trgm",)),
    ("ALTER TABLE item ADD COLUMN price int", "ALTER TABLE", ("table public.item",)),
    ("ALTER TABLE item RENAME COLUMN name TO title", "ALTER TABLE", ("table column public.item.title",)),
    ("ALTER TABLE item ENABLE ROW LEVEL SECURITY", "ALTER TABLE", ("table public.item",)),
    ("COMMENT ON TABLE item IS 'things'", "COMMENT", ("table public.item",)),
    ("GRANT SELECT ON item TO PUBLIC", "GRANT", ("TABLE",)),
    ("REVOKE SELECT ON old.kept FROM PUBLIC", "REVOKE", ("TABLE",)),
    ("CREATE INDEX ix_new ON item (id)", "CREATE INDEX", ("index public.ix_new",)),
    ("CREATE INDEX CONCURRENTLY ix_new ON item (id)", "CREATE INDEX", ("index public.ix_new",)),
    ("CREATE /* by hand */ UNIQUE INDEX\n\tConcurrently ON item (id)", "CREATE INDEX", ("index public.item_id_idx",)),
    ("DROP INDEX ix_name", "DROP INDEX", ("index public.ix_name",)),
    ("DROP INDEX CONCURRENTLY ix_name", "DROP INDEX", ("index public.ix_name",)),
    ("ALTER TABLE part DETACH PARTITION part_1", "ALTER TABLE", ("table public.part",)),
    ("ALTER TABLE part DETACH PARTITION part_1 CONCURRENTLY", "ALTER TABLE", ("table public.part",)),
    ("DROP TABLE item CASCADE", "DROP TABLE", ("table public.item", "materialized view public.seen")),
    ("DROP SCHEMA old CASCADE", "DROP SCHEMA", ("schema old", "table old.kept", "view old.shown")),
    ("DROP EXTENSION citext", "DROP EXTENSION", ("extension citext",)),
    ("DO $$ BEGIN EXECUTE 'CREATE TABLE ' || 'new (id int)'; END $$", "CREATE TABLE", ("table public.new",)),
    ("SELECT make()", "CREATE TABLE", ("table public.made",)),
    ("ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO PUBLIC", "ALTER DEFAULT PRIVILEGES", ("TABLES",)),
    ("ALTER TABLE migrate_flow.journal ADD COLUMN more int", "ALTER TABLE", ("table migrate_flow.journal",)),
    ("CREATE TABLE migrate_flow.planted (id int)", "CREATE TABLE", ("table migrate_flow.planted",)),
)
# Run on one connection, in this order.
LET_PASS = (
    "CREATE TEMP TABLE mine (id serial PRIMARY KEY, name text)",
    "CREATE INDEX ON mine (name)",
    "ALTER TABLE mine ADD COLUMN price int CHECK (price > 0)",
    "ALTER TABLE mine DROP COLUMN price",
    "COMMENT ON COLUMN mine.name IS 'mine'",
    "CREATE TRIGGER same BEFORE UPDATE ON mine FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "COMMENT ON TRIGGER same ON mine IS 'mine'",
    "DROP TRIGGER same ON mine",
    "CREATE POLICY mine_only ON mine",
    "DROP POLICY mine_only ON mine",
    "CREATE RULE nothing AS ON DELETE TO mine DO INSTEAD NOTHING",
    "DROP RULE nothing ON mine",
    "CREATE TEMP VIEW shown AS SELECT id FROM mine",
    "DROP TABLE mine CASCADE",
    "CREATE TEMP TABLE mine AS SELECT 1 AS one",
    "CREATE TABLE pg_temp.other AS SELECT 1 AS one",
    "SELECT 1 AS one INTO TEMP third",
    "CREATE FUNCTION pg_temp.one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "DO $$ BEGIN CREATE TEMP TABLE fourth (id int); CREATE INDEX ON fourth (id); END $$ -- not concurrently",
    "REFRESH MATERIALIZED VIEW seen",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY seen",
    "REINDEX TABLE item",
    "REINDEX INDEX CONCURRENTLY ix_name",
    "CREATE TABLE IF NOT EXISTS item (id int)",
    "CREATE EXTENSION IF NOT EXISTS citext",
    "DROP TABLE IF EXISTS nowhere",
    "TRUNCATE item CASCADE",
    "VACUUM FULL item",
    "ANALYZE item",
    "DISCARD TEMP",
)


@pytest.fixture(scope="module")
def blocked(either_server: PostgresServer) -> Iterator[Guarded]:
    """For tests that change nothing."""
    with Guarded.on(either_server, *STANDING) as made:
        made.install("block")
        yield made


@pytest.fixture(scope="module")
def audited_once(blocked: Guarded) -> Iterator[Guarded]:
    with blocked.copied() as copy:
        copy.install("audit")
        yield copy


@pytest.fixture
def audited(audited_once: Guarded) -> Iterator[Guarded]:
    with audited_once.copied() as copy:
        yield copy


@pytest.mark.parametrize(("statement", "tag", "objects"), SEEN, ids=[seen[0] for seen in SEEN])
def test_refused_and_all_is_as_it_was(blocked: Guarded, statement: str, tag: str, objects: tuple[str, ...]) -> None:
    before = blocked.snapshot()
    said = blocked.refusal(statement)
    assert said.sqlstate == REFUSED
    assert said.message_primary is not None
    assert said.message_primary.startswith(f"schema changes from outside migrate-flow are refused here: {tag}")
    assert said.message_hint == (
        "write it as a migration: migrate-flow new -m MESSAGE; then: migrate-flow apply --env prod"
    )
    assert said.message_detail == f"statement: {statement}"[:91]
    assert blocked.snapshot() == before
    assert blocked.unusable() == {}
    assert blocked.log() == ()


@pytest.mark.parametrize(("statement", "tag", "objects"), SEEN, ids=[seen[0] for seen in SEEN])
def test_recorded(
    audited_once: Guarded, request: pytest.FixtureRequest, statement: str, tag: str, objects: tuple[str, ...]
) -> None:
    query = "SELECT tag, objects, statement, session_role, acting_role, client, application FROM migrate_flow.ddl_log"
    outside = "concurrently" in statement.lower()
    place = request.getfixturevalue("audited") if outside else audited_once
    with place.client(autocommit=outside) as client:
        client.execute(statement.encode())
        rows = client.execute(query.encode()).fetchall()
        client.rollback()
    found = [row for row in rows if row[0] == tag and row[1][:1] == list(objects[:1])]
    assert [row[2:] for row in found] == [(statement, "postgres", "postgres", "local", "psql")]
    assert set(objects) <= set(found[0][1])
    assert len(rows) <= 2


@pytest.mark.parametrize("mode", ["audit", "block"])
def test_let_pass_and_not_recorded(audited: Guarded, mode: guard.Mode) -> None:
    audited.install(mode)
    with audited.client() as client:
        for statement in LET_PASS:
            client.execute(statement.encode())
    assert audited.log() == ()
    assert audited.status().complete


def test_refusals_that_are_not_meant(blocked: Guarded) -> None:
    """The server does not say what these are about. The page on the guard tells of them."""
    for statement in (
        *("GRANT SELECT ON mine TO PUBLIC", "CREATE INDEX CONCURRENTLY ON mine (id)"),
        *("CREATE INDEX ON mine (id) -- not concurrently", "DROP TABLE mine /* a copy of migrate_flow */"),
        *("CREATE STATISTICS public.mine_too ON id, other FROM mine", "DROP INDEX CONCURRENTLY IF EXISTS nowhere"),
    ):
        with blocked.client() as client:
            client.execute("CREATE TEMP TABLE mine (id int, other int)")
            with pytest.raises(psycopg.Error, match="refused here"):
                client.execute(statement.encode())


def test_what_no_event_trigger_sees(blocked: Guarded) -> None:
    """The manual says so; if a server sees one of these some day, the page on the guard must change."""
    with blocked.copied() as place:
        place.ddl(f'REASSIGN OWNED BY "{place.stranger}" TO "{place.migrator}"')
        place.ddl("CLUSTER item USING ix_name")
        place.ddl(f"ALTER ROLE {place.stranger} SET work_mem = '8MB'")
        place.ddl(f"COMMENT ON DATABASE {place.database} IS 'shop'")
        for kind, name in (("TABLE", "unseen"), ("MATERIALIZED VIEW", "unseen_too")):
            place.ddl(f"EXPLAIN ANALYZE CREATE {kind} {name} AS SELECT 1 AS one")
        assert place.value("SELECT count(*) FROM pg_class WHERE relname ~ '^unseen'") == 2
        place.ddl("ALTER EVENT TRIGGER migrate_flow_guard_end DISABLE")
        assert place.log() == ()


def test_a_client_of_its_own_is_refused(blocked: Guarded) -> None:
    command = [str(blocked.server.programs / "psql"), "-X", "-h", str(blocked.server.folder), "-U", "postgres"]
    done = subprocess.run(
        [*command, "-d", blocked.database, "-c", "CREATE TABLE t (id int)"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "schema changes from outside migrate-flow are refused here: CREATE TABLE of table public.t" in done.stderr
    assert "HINT:  write it as a migration: migrate-flow new -m MESSAGE" in done.stderr


def test_the_server_s_log_tells_of_a_refusal(blocked: Guarded) -> None:
    blocked.refusal("CREATE TABLE told_of (id int)", blocked.stranger)
    expected = (
        f"migrate-flow guard refused CREATE TABLE: table public.told_of (session user {blocked.stranger}, "
        f"role {blocked.stranger}, from local, application psql)"
    )
    assert expected in blocked.server_log()


def test_a_transaction_goes_on_after_a_refusal(blocked: Guarded) -> None:
    with blocked.copied() as place, place.client(autocommit=False) as client:
        client.execute("INSERT INTO item VALUES (3, 'three')")
        with pytest.raises(psycopg.Error, match="refused here"), client.transaction():
            client.execute("CREATE TABLE t (id int)")
        client.commit()
        assert place.value("SELECT count(*) FROM item") == 3
        assert place.value("SELECT to_regclass('t')") is None


def test_a_role_without_rights_on_the_log_is_recorded_all_the_same(audited: Guarded) -> None:
    audited.ddl("CREATE TABLE theirs (id int)", audited.stranger)
    for statement in ("SELECT * FROM migrate_flow.ddl_log", "SELECT migrate_flow.guard()"):
        assert audited.refusal(statement, audited.stranger).sqlstate == "42501"
    audited.ddl(f'GRANT "{audited.migrator}" TO {audited.stranger}')
    with audited.client(audited.stranger) as client:
        client.execute(f'SET ROLE "{audited.migrator}"'.encode())
        client.execute("CREATE TABLE ours (id int)")
    first, second = audited.log()
    assert (first.session_role, first.acting_role) == (audited.stranger, audited.stranger)
    assert (second.session_role, second.acting_role) == (audited.stranger, audited.migrator)
    for statement in ("DELETE FROM migrate_flow.ddl_log", "DROP TABLE migrate_flow.guard", "DROP SCHEMA migrate_flow"):
        assert audited.refusal(statement, audited.migrator).sqlstate == "42501"


@pytest.mark.parametrize(
    "setting",
    [
        "SET session_replication_role = replica",
        "SET search_path = pg_temp; CREATE TEMP TABLE permit (pid int); CREATE TEMP TABLE guard (mode text)",
        "SET standard_conforming_strings = off; SET escape_string_warning = off",
        "SET plpgsql.extra_errors = 'all'; SET quote_all_identifiers = on; SET transform_null_equals = on",
        "SET default_transaction_isolation = 'serializable'",
    ],
)
def test_what_a_session_sets_changes_nothing(blocked: Guarded, audited: Guarded, setting: str) -> None:
    assert blocked.refusal(f"{setting}; CREATE TABLE public.t (id int)").sqlstate == REFUSED
    audited.ddl(f"{setting}; CREATE TABLE public.t (id int)")
    assert [row.tag for row in audited.log()] == ["CREATE TABLE"]


def test_no_password_is_written_down(audited: Guarded) -> None:
    secret = "swordfish"
    statements = (
        f"CREATE USER MAPPING FOR PUBLIC SERVER remote OPTIONS (user 'u', password '{secret}')",
        f"ALTER USER MAPPING FOR PUBLIC SERVER remote OPTIONS (SET password '{secret}')",
        f"CREATE SUBSCRIPTION s CONNECTION 'host=/nowhere password={secret}' PUBLICATION p WITH (connect=false)",
        f"CREATE TABLE a (id int); ALTER ROLE {audited.stranger} PASSWORD '{secret}'",
        f"CREATE TABLE b (id int); ALTER ROLE {audited.stranger} ENCRYPTED  PASSWORD E'{secret}'",
        f"CREATE TABLE c (id int); SELECT 'postgresql://me:{secret}@host/db'",
        f"CREATE TABLE d AS SELECT 'host=x password={secret} user=me' AS conninfo",
        f"DO $$ BEGIN CREATE USER MAPPING FOR {audited.stranger} SERVER remote OPTIONS (token '{secret}'); END $$",
        f"DO $$ BEGIN EXECUTE format('ALTER ROLE {audited.stranger} PASSWORD %L', '{secret}'); "
        "CREATE TABLE e (id int); END $$",
        f"ALTER ROLE {audited.stranger} PASSWORD/**/'{secret}'; CREATE TABLE f (id int)",
        f"ALTER ROLE {audited.stranger} PASSWORD -- x\n '{secret}'; CREATE TABLE g (id int)",
        f"CREATE FOREIGN DATA WRAPPER w OPTIONS (secret_access_key '{secret}')",
        f"COMMENT ON TABLE item IS 'pwd={secret}'",
        f"CREATE VIEW v AS SELECT 'the password is {secret}' AS y",
        f'CREATE VIEW w AS SELECT \'{{"apiKey": "{secret}"}}\' AS y',
        f"SELECT 'ftp://me:{secret}{'x' * 4000}@host' AS url INTO h",
    )
    for statement in statements:
        audited.ddl(statement)
    audited.ddl("ALTER SUBSCRIPTION s SET (slot_name = NONE)")
    audited.ddl("DROP SUBSCRIPTION s")
    rows = audited.log()
    assert [row.tag for row in rows[:3]] == ["CREATE USER MAPPING", "ALTER USER MAPPING", "CREATE SUBSCRIPTION"]
    assert {row.statement for row in rows} == {"(left out: it may hold a password)"}
    audited.ddl("CREATE TABLE login (name text DEFAULT 'none', subscription int)")
    assert audited.log()[-1].statement == "CREATE TABLE login (name text DEFAULT 'none', subscription int)"
    audited.install("block")
    for statement in statements:
        if "WRAPPER w " in statement:
            assert secret not in (audited.refusal(statement.replace("WRAPPER w ", "WRAPPER z ")).message_detail or "")


def test_a_subscription_keeps_its_slot(audited: Guarded) -> None:
    """A refusal at the end of DROP SUBSCRIPTION would come when the slot on the other server is gone."""
    made = "CREATE SUBSCRIPTION s CONNECTION 'host=/nowhere' PUBLICATION p WITH (connect=false)"
    audited.ddl(made)
    audited.install("block")
    for statement in (
        made.replace("SUBSCRIPTION s", "SUBSCRIPTION t"),
        "ALTER SUBSCRIPTION s ENABLE",
        "DROP SUBSCRIPTION s",
    ):
        said = audited.refusal(statement)
        assert (said.sqlstate, said.source_function) == (REFUSED, "exec_stmt_raise")
        assert "could not connect" not in (said.message_primary or "")
    audited.remove()
    audited.ddl("ALTER SUBSCRIPTION s SET (slot_name = NONE)")
    audited.ddl("DROP SUBSCRIPTION s")


def test_drop_owned_is_seen_whatever_it_takes_away(blocked: Guarded, audited: Guarded) -> None:
    """It takes a role out of a policy, which no list tells of."""
    assert blocked.refusal(f"DROP OWNED BY {blocked.stranger}").sqlstate == REFUSED
    audited.ddl(f"REVOKE CREATE ON SCHEMA public FROM {audited.stranger}")
    audited.ddl(f'CREATE POLICY two ON item TO {audited.stranger}, "{audited.migrator}"')
    audited.ddl(f"DROP OWNED BY {audited.stranger}")
    assert audited.value("SELECT cardinality(polroles) FROM pg_policy") == 1
    assert [row.tag for row in audited.log()] == ["REVOKE", "CREATE POLICY", "DROP OWNED"]


def test_long_texts_and_many_objects_are_bounded(audited: Guarded) -> None:
    tables = " ".join(f"CREATE TABLE t_{number} (id int)" for number in range(200))
    audited.ddl(f"CREATE SCHEMA many {tables}")
    (row,) = audited.log()
    assert (len(row.objects), row.object_count, row.objects[:2]) == (50, 201, ("schema many", "table many.t_0"))
    assert len(row.statement) == 4000
    audited.ddl("DROP SCHEMA many CASCADE")
    assert audited.log()[-1].objects[0] == "schema many"


def test_what_is_rolled_back_is_not_in_the_log(audited: Guarded) -> None:
    with audited.client(autocommit=False) as client:
        client.execute("CREATE TABLE t (id int)")
        client.rollback()
        client.execute("CREATE TABLE u (id int)")
        client.commit()
    assert [row.objects for row in audited.log()] == [("table public.u",)]
