"""Who carries a permit may change the schema, for exactly as long as it is good."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, create_engine, make_url, pool
from sqlalchemy.exc import DBAPIError

from migrate_flow.dialects import guard_postgresql as guard
from migrate_flow.dialects.contention import within
from migrate_flow.errors import TargetError
from tests.support.guarded import POSTGRESQL, REFUSED, Guarded
from tests.support.postgres import PostgresServer

ATTEMPT, OTHER = "0191e0a5-7b1c-7000-8000-000000000001", "0191e0a5-7b1c-7000-8000-000000000002"
STANDING = (
    "CREATE TABLE item (id int PRIMARY KEY)",
    "CREATE TABLE part (id int) PARTITION BY RANGE (id)",
    "CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (1) TO (10)",
)


@pytest.fixture(scope="module")
def standing(either_server: PostgresServer) -> Iterator[Guarded]:
    with Guarded.on(either_server) as made:
        for statement in STANDING:
            made.ddl(statement, made.migrator)
        made.install("block")
        yield made


@pytest.fixture
def blocked(standing: Guarded) -> Iterator[Guarded]:
    with standing.copied() as copy:
        yield copy


def allowed(connection: Connection, statement: str) -> bool:
    """In a savepoint, so that the transaction can go on."""
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(statement)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", "") == REFUSED:
            return False
        raise
    return True


def test_good_for_its_transaction_alone(blocked: Guarded) -> None:
    with blocked.ours(blocked.migrator) as connection:
        assert not allowed(connection, "CREATE TABLE early (id int)")
        guard.permit(connection, ATTEMPT)
        assert allowed(connection, "CREATE TABLE made (id int)")
        assert allowed(connection, "DO $$ BEGIN DROP TABLE item; END $$")
        assert allowed(connection, "ALTER TABLE migrate_flow.journal ADD COLUMN more int")
        guard.release(connection, ATTEMPT)
        assert not allowed(connection, "CREATE TABLE late (id int)")
        connection.commit()
        assert not allowed(connection, "CREATE TABLE next (id int)")
    assert blocked.value("SELECT count(*) FROM migrate_flow.permit") == 0
    assert blocked.value(
        "SELECT array_agg(tablename::text ORDER BY tablename) FROM pg_tables WHERE schemaname = 'public'"
    ) == [*("made", "part", "part_1")]
    blocked.install("audit")
    assert blocked.log() == ()


def test_one_that_is_left_behind_permits_nothing(blocked: Guarded) -> None:
    """A script that commits by itself leaves the row, in its own session too."""
    with blocked.ours(blocked.migrator) as connection:
        guard.permit(connection, ATTEMPT)
        connection.commit()
        assert blocked.value("SELECT count(*) FROM migrate_flow.permit") == 1
        assert not allowed(connection, "CREATE TABLE t (id int)")
        connection.rollback()
        guard.permit(connection, ATTEMPT)
        connection.rollback()
        assert not allowed(connection, "CREATE TABLE t (id int)")
    with blocked.ours(blocked.migrator) as connection:
        guard.release(connection, ATTEMPT)
        connection.commit()
    assert blocked.value("SELECT count(*) FROM migrate_flow.permit") == 0


def test_savepoints_and_other_roles_are_the_script_s_own_matter(blocked: Guarded) -> None:
    blocked.ddl(f'GRANT {blocked.stranger} TO "{blocked.migrator}"')
    with blocked.ours(blocked.migrator) as connection:
        guard.permit(connection, ATTEMPT)
        assert allowed(connection, "SELECT pg_current_xact_id()")
        connection.exec_driver_sql(f"SET LOCAL ROLE {blocked.stranger}")
        assert allowed(connection, "CREATE TABLE theirs (id int)")
        connection.exec_driver_sql("RESET ROLE")
        guard.release(connection, ATTEMPT)
        connection.commit()
    assert blocked.value("SELECT tableowner FROM pg_tables WHERE tablename = 'theirs'") == blocked.stranger


def test_the_course_of_a_step_with_an_autocommit_block(blocked: Guarded) -> None:
    with blocked.ours(blocked.migrator) as connection:
        guard.permit(connection, ATTEMPT)
        connection.exec_driver_sql("CREATE TABLE before (id int)")
        guard.release(connection, ATTEMPT)
        guard.permit_session(connection, ATTEMPT)
        connection.commit()
        with blocked.ours(blocked.migrator) as another:
            assert not allowed(another, "CREATE TABLE t (id int)")
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.exec_driver_sql("CREATE INDEX CONCURRENTLY ix ON item (id)")
        connection.exec_driver_sql("CREATE INDEX CONCURRENTLY gone ON item (id)")
        connection.exec_driver_sql("DROP INDEX CONCURRENTLY gone")
        connection.exec_driver_sql("ALTER TABLE part DETACH PARTITION part_1 CONCURRENTLY")
        connection.exec_driver_sql("CREATE TABLE during (id int)")
        connection.commit()
        connection.execution_options(isolation_level="READ COMMITTED")
        guard.release(connection, ATTEMPT)
        guard.permit(connection, ATTEMPT)
        connection.exec_driver_sql("CREATE TABLE after (id int)")
        guard.release(connection, ATTEMPT)
        connection.commit()
        assert not allowed(connection, "CREATE TABLE late (id int)")
    assert blocked.unusable() == {}
    assert blocked.value("SELECT count(*) FROM migrate_flow.permit") == 0
    assert blocked.value("SELECT count(*) FROM pg_indexes WHERE indexname = 'ix'") == 1
    assert blocked.value("SELECT count(*) FROM pg_inherits") == 0
    assert blocked.value("SELECT count(*) FROM migrate_flow.ddl_log") == 0


def test_a_session_s_permit_dies_with_it(blocked: Guarded) -> None:
    with blocked.ours(blocked.migrator) as connection:
        guard.permit_session(connection, ATTEMPT)
        connection.commit()
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        assert allowed(connection, "CREATE TABLE t (id int)")
        assert blocked.value(f"SELECT pg_terminate_backend({pid}, 5000)")
        connection.invalidate()
    assert blocked.value("SELECT count(*) FROM migrate_flow.permit") == 1
    assert blocked.refusal("CREATE TABLE t (id int)", blocked.migrator).sqlstate == REFUSED
    with blocked.ours(blocked.migrator) as connection:
        # The server gives the number of a dead process to a new one some day.
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        blocked.ddl("INSERT INTO migrate_flow.permit (pid, backend_start, attempt) "
            f"SELECT {pid}, backend_start, '{OTHER}' FROM migrate_flow.permit")  # fmt: skip
        connection.commit()
        assert not allowed(connection, "CREATE TABLE t (id int)")
        xid = connection.exec_driver_sql("SELECT pg_current_xact_id()::text::int8").scalar_one()
        blocked.ddl(
            "INSERT INTO migrate_flow.permit (pid, backend_start, xid, attempt) "
            f"SELECT pid, backend_start, '{xid + 1}', '{OTHER}' FROM pg_stat_activity WHERE pid = {pid}"
        )
        assert not allowed(connection, "CREATE TABLE t (id int)")


def test_one_attempt_s_release_leaves_another_s(blocked: Guarded) -> None:
    with blocked.ours(blocked.migrator) as first, blocked.ours(blocked.migrator) as second:
        guard.permit_session(first, ATTEMPT)
        guard.permit_session(second, OTHER)
        first.commit()
        second.commit()
        with blocked.ours(blocked.migrator, autocommit=True) as beside:
            guard.release(beside, ATTEMPT)
        assert not allowed(first, "CREATE TABLE a (id int)")
        assert allowed(second, "CREATE TABLE b (id int)")


def test_two_at_once_are_told_apart(blocked: Guarded) -> None:
    with blocked.ours(blocked.migrator) as ours, blocked.client(blocked.migrator, autocommit=False) as theirs:
        guard.permit(ours, ATTEMPT)
        assert allowed(ours, "CREATE TABLE a (id int)")
        with pytest.raises(psycopg.Error, match="refused here"):
            theirs.execute("CREATE TABLE b (id int)")
        assert allowed(ours, "CREATE TABLE c (id int)")


def test_an_index_whose_permit_goes_in_mid_build_is_recorded_and_not_ruined(blocked: Guarded) -> None:
    def build() -> None:
        with blocked.ours(blocked.migrator) as connection:
            guard.permit_session(connection, ATTEMPT)
            connection.commit()
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql("CREATE INDEX CONCURRENTLY ix ON item (id)")

    started = "SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('ix') AND NOT indisvalid"
    with blocked.client(autocommit=False) as reader:
        reader.execute("INSERT INTO item VALUES (7)")  # the build waits for this transaction
        thread = threading.Thread(target=build)
        thread.start()
        assert within(20, lambda: blocked.value(started) == 1)
        with blocked.ours(blocked.migrator, autocommit=True) as beside:
            guard.release(beside, ATTEMPT)
        reader.commit()
    thread.join(20)
    assert blocked.unusable() == {}
    assert blocked.value("SELECT count(*) FROM pg_indexes WHERE indexname = 'ix'") == 1
    assert [row.statement for row in blocked.log()] == ["CREATE INDEX CONCURRENTLY ix ON item (id)"]


@pytest.mark.parametrize("let", [guard.permit, guard.permit_session])
def test_only_who_migrates_may_write_one(blocked: Guarded, let: Callable[[Connection, str], None]) -> None:
    with blocked.ours(blocked.stranger) as connection, pytest.raises(TargetError, match="may not write") as raised:
        let(connection, ATTEMPT)
    assert f"the role {blocked.stranger} may not write" in raised.value.message
    assert raised.value.hint == "migrate-flow guard install --env prod"
    blocked.ddl(f'GRANT {blocked.stranger} TO "{blocked.migrator}"')
    with blocked.ours(blocked.migrator) as connection:
        connection.exec_driver_sql(f"SET ROLE {blocked.stranger}")
        with pytest.raises(TargetError, match="may not write"):
            let(connection, ATTEMPT)


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
@pytest.mark.parametrize("ways", ["SET ROLE", "ALTER ROLE"])
def test_after_a_set_role_too(blocked: Guarded, ways: str, driver: str) -> None:
    """Then the server does not tell the role when the session of another one began."""
    owner = f"app_owner_of_{blocked.database}"
    blocked.server.execute(f"CREATE ROLE {owner}")
    blocked.server.execute(f'GRANT {owner} TO "{blocked.migrator}"')
    with blocked.ours() as connection:
        guard.install(connection, "block", "prod", (owner,))
    blocked.install("audit")
    blocked.ddl(f"GRANT CREATE ON SCHEMA public TO {owner}")
    blocked.install("block")
    if ways == "ALTER ROLE":
        blocked.server.execute(
            f"""ALTER ROLE "{blocked.migrator}" IN DATABASE {blocked.database} SET role = '{owner}'"""
        )
    url = make_url(blocked.url).set(drivername=f"postgresql+{driver}", username=blocked.migrator)
    with create_engine(url, poolclass=pool.NullPool).connect() as connection:
        if ways == "SET ROLE":
            connection.exec_driver_sql(f"SET ROLE {owner}")
        guard.permit(connection, ATTEMPT)
        connection.exec_driver_sql("CREATE TABLE a (id int)")
        guard.release(connection, ATTEMPT)
        guard.permit_session(connection, ATTEMPT)
        connection.commit()
        connection.exec_driver_sql("CREATE TABLE b (id int)")
        guard.release(connection, ATTEMPT)
        connection.commit()
    assert blocked.value("SELECT count(*) FROM pg_tables WHERE tablename IN ('a', 'b')") == 2
    assert blocked.value("SELECT count(*) FROM migrate_flow.permit") == 0
    assert blocked.status().complete
    blocked.remove()
    blocked.server.execute(f"DROP OWNED BY {owner}", database=blocked.database)
    blocked.server.execute(f"DROP ROLE {owner}")


def test_nobody_permits_another_session(blocked: Guarded) -> None:
    """The function takes no process, and the table takes no rows but the function's."""
    said = blocked.refusal(
        "INSERT INTO migrate_flow.permit (pid, backend_start, attempt) VALUES (1, now(), 'x')", blocked.migrator
    )
    assert said.sqlstate == "42501"
    for role, statement in (
        (blocked.stranger, "SELECT migrate_flow.let('x', true)"),
        (blocked.migrator, "UPDATE migrate_flow.permit SET pid = 1"),
    ):
        assert blocked.refusal(statement, role).sqlstate == "42501"
    hostile = "SET search_path = pg_temp; CREATE TEMP TABLE permit (pid int)"
    blocked.ddl(f"{hostile}; SELECT migrate_flow.let('x', true)", blocked.migrator)
    assert blocked.value("SELECT count(*) FROM migrate_flow.permit WHERE attempt = 'x'") == 1


def test_who_may_write_none_takes_none_back_and_breaks_nothing(blocked: Guarded) -> None:
    with blocked.ours(blocked.stranger) as connection:
        guard.release(connection, ATTEMPT)
        assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1


def test_an_attempt_is_no_sql(blocked: Guarded) -> None:
    with blocked.ours(blocked.migrator) as connection, pytest.raises(ValueError, match="is no attempt"):
        guard.permit(connection, "x'); DROP TABLE item; --")


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_any_driver_of_env_py_s(blocked: Guarded, driver: str) -> None:
    url = make_url(blocked.url).set(drivername=f"postgresql+{driver}", username=blocked.migrator)
    with create_engine(url, poolclass=pool.NullPool).connect() as connection:
        cursor = connection.connection.cursor()
        cursor.execute(guard.permit_session_text(ATTEMPT))
        connection.connection.commit()
        connection.exec_driver_sql("CREATE TABLE a (id int)")
        guard.release(connection, ATTEMPT)
        guard.permit(connection, ATTEMPT)
        connection.exec_driver_sql("CREATE TABLE b (id int)")
        guard.release(connection, ATTEMPT)
        connection.commit()
    assert blocked.value("SELECT count(*) FROM pg_tables WHERE tablename IN ('a', 'b')") == 2


def test_without_a_guard_there_is_nothing_to_permit(either_server: PostgresServer) -> None:
    url = either_server.create_database()
    engine = POSTGRESQL.creating_engine(make_url(url), Path(), "test")
    with engine.connect() as connection:
        guard.permit(connection, ATTEMPT)
        guard.permit_session(connection, ATTEMPT)
        connection.exec_driver_sql("CREATE TABLE t (id int)")
        guard.release(connection, ATTEMPT)
        connection.commit()
        assert not guard.status(connection).installed
        assert guard.log(connection) == ()
    either_server.drop_database(url)


def test_a_publication_of_all_tables_is_in_nobody_s_way(blocked: Guarded) -> None:
    blocked.install("audit")
    blocked.ddl("CREATE PUBLICATION everything FOR ALL TABLES")
    with blocked.ours(blocked.migrator) as connection:
        guard.permit(connection, ATTEMPT)
        guard.release(connection, ATTEMPT)
        connection.commit()


def test_who_reads_on_from_the_last_row_misses_none(blocked: Guarded) -> None:
    """Numbers are given when a row is written, and seen when its transaction commits."""
    blocked.install("audit")
    with blocked.client(autocommit=False) as slow:
        slow.execute("CREATE TABLE slow (id int)")
        blocked.ddl("CREATE TABLE quick (id int)")
        assert blocked.status().logged == 1
        assert blocked.log() == ()
        slow.commit()
    assert [(row.id, row.objects) for row in blocked.log()] == [
        (1, ("table public.slow",)),
        (2, ("table public.quick",)),
    ]
    assert [row.objects for row in blocked.log(1)] == [("table public.quick",)]
    assert blocked.log(2) == ()
