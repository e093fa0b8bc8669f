"""The guard comes and goes as a whole, says what is missing of it, and survives a dump."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from migrate_flow.core.guard import GuardStatus
from migrate_flow.dialects import guard_postgresql as guard
from migrate_flow.errors import BusyError, TargetError
from tests.support.guarded import FAILED, REFUSED, SUPERUSER, Guarded
from tests.support.postgres import PostgresServer

SCHEMA_OWNER = "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'migrate_flow'"
OURS = "SELECT array_agg(tablename::text ORDER BY tablename) FROM pg_tables WHERE schemaname = 'migrate_flow'"


@contextmanager
def dumped(place: Guarded, role: str) -> Iterator[str]:
    path = place.server.folder / "dump"
    place.server.run("pg_dump", "-Fc", "-h", place.server.folder, "-U", role, "-f", path, place.database)
    yield str(path)
    path.unlink()


def restore(place: Guarded, role: str, dump: str) -> None:
    place.server.run("pg_restore", "-h", place.server.folder, "-U", role, "-d", place.database, dump)


def test_installed_and_removed(target: Guarded) -> None:
    target.ddl("CREATE TABLE item (id int)", target.migrator)
    before, owner, tables = target.snapshot(), target.value(SCHEMA_OWNER), target.value(OURS)
    assert isinstance(tables, list)
    assert owner == f'"{target.migrator}"'
    missing = "its event triggers are missing; a restore by a role that is no superuser loses them"
    assert target.status() == GuardStatus(installed=False, complete=False, problem=missing)
    target.install("audit")
    standing = GuardStatus(installed=True, complete=True, mode="audit", environment="prod", version=1)
    assert target.status() == standing
    assert target.snapshot() == before, "the guard itself is no drift"
    target.ddl("CREATE TABLE t (id int)")
    (row,) = target.log()
    assert target.status() == replace(standing, logged=1, newest=row.id, newest_at=row.at)
    target.install("block")
    assert target.status() == replace(standing, mode="block", logged=1, newest=row.id, newest_at=row.at)
    assert target.refusal("DROP TABLE t").sqlstate == REFUSED
    target.remove()
    assert target.status() == GuardStatus(
        installed=False, complete=False, problem=missing, logged=1, newest=row.id, newest_at=row.at
    )
    target.ddl("DROP TABLE t")
    assert target.log() == (row,)
    assert target.value(SCHEMA_OWNER) == owner
    assert target.value(OURS) == sorted([*tables, "ddl_log"])
    target.remove()
    target.install("audit")
    target.ddl("CREATE TABLE t (id int)")
    assert [found.id for found in target.log()] == [1, 2]


def test_before_there_is_anything_of_ours(either_server: PostgresServer) -> None:
    with Guarded.on(either_server) as place:
        place.ddl("DROP SCHEMA migrate_flow CASCADE")
        with place.ours() as connection:
            guard.install(connection, "block", "prod", (place.migrator,))
        assert place.status().complete
        with place.ours(place.migrator) as connection:
            guard.permit(connection, "a-1")
            connection.exec_driver_sql("CREATE TABLE migrate_flow.target (id int)")
            guard.release(connection, "a-1")
            connection.commit()
        place.remove()
        assert place.value(SCHEMA_OWNER) == f'"{place.migrator}"'


def test_without_the_right_nothing_is_left(target: Guarded) -> None:
    before, tables = target.snapshot(), target.value(OURS)
    with pytest.raises(TargetError, match="takes a superuser, and Guard migrator") as raised:
        target.install("audit", target.migrator)
    assert raised.value.where == "prod"
    for part in (f'ALTER ROLE "{target.migrator}" SUPERUSER', "migrate-flow guard install --env prod", "rds_superuser"):
        assert part in raised.value.hint
    assert (target.snapshot(), target.value(OURS)) == (before, tables)
    assert target.value(SCHEMA_OWNER) == f'"{target.migrator}"'
    assert target.value("SELECT count(*) FROM pg_proc WHERE proname = 'guard'") == 0
    target.install("audit")
    with pytest.raises(TargetError, match="to remove the guard takes a superuser"):
        target.remove(target.migrator)
    assert target.status().complete


def test_the_way_that_the_hint_names(target: Guarded) -> None:
    target.ddl(f'ALTER ROLE "{target.migrator}" SUPERUSER')
    target.install("audit", target.migrator)
    target.ddl(f'ALTER ROLE "{target.migrator}" NOSUPERUSER')
    assert target.status().complete
    target.ddl("CREATE TABLE t (id int)", target.stranger)
    with target.ours(target.migrator) as connection:
        guard.permit(connection, "a-1")
        connection.exec_driver_sql("CREATE TABLE u (id int)")
        guard.release(connection, "a-1")
        connection.commit()
    assert [row.objects for row in target.log()] == [("table public.t",)]
    target.remove(target.migrator)
    assert not target.status().installed


TAMPERED = {
    "DROP EVENT TRIGGER migrate_flow_guard_drop": "the event trigger migrate_flow_guard_drop is missing or not ours",
    "ALTER EVENT TRIGGER migrate_flow_guard_end DISABLE": "migrate_flow_guard_end is not ENABLE ALWAYS",
    "ALTER EVENT TRIGGER migrate_flow_guard_start ENABLE": "migrate_flow_guard_start is not ENABLE ALWAYS",
    "CREATE OR REPLACE FUNCTION migrate_flow.guard() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'": (
        "the function migrate_flow.guard is not as this version"
    ),
    "ALTER FUNCTION migrate_flow.guard() SECURITY INVOKER": "the function migrate_flow.guard is not as this version",
    "ALTER FUNCTION migrate_flow.guard() RESET search_path": "the function migrate_flow.guard is not as this version",
    'ALTER FUNCTION migrate_flow.guard() OWNER TO "{migrator}"': "could run code as the guard's owner with it",
    'ALTER TABLE migrate_flow.permit OWNER TO "{migrator}"': "migrate_flow.permit belongs to Guard migrator",
    'ALTER SCHEMA migrate_flow OWNER TO "{migrator}"': "the schema migrate_flow belongs to Guard migrator",
    "DROP TABLE migrate_flow.permit": "migrate_flow.permit is missing or changed",
    'REVOKE SELECT ON migrate_flow.ddl_log FROM "{migrator}"': "or this role may not read it",
    "ALTER TABLE migrate_flow.ddl_log ADD more int": "migrate_flow.ddl_log is missing or changed",
    "DELETE FROM migrate_flow.guard": "migrate_flow.guard is empty",
    "UPDATE migrate_flow.guard SET mode = 'block'": "is not as this version of migrate-flow writes it in mode block",
    "ALTER FUNCTION migrate_flow.guard() STABLE": "the function migrate_flow.guard is not as this version",
    "ALTER FUNCTION migrate_flow.let(text, boolean) STABLE": "the function migrate_flow.let is not as this version",
    "DROP FUNCTION migrate_flow.let(text, boolean)": "the function migrate_flow.let is not as this version",
    'ALTER FUNCTION migrate_flow.let(text, boolean) OWNER TO "{migrator}"': "could run code as the guard's owner",
    "GRANT INSERT ON migrate_flow.permit TO PUBLIC": "PUBLIC has INSERT on migrate_flow.permit",
    "GRANT ALL ON ALL TABLES IN SCHEMA migrate_flow TO PUBLIC": "PUBLIC has",
    "GRANT EXECUTE ON FUNCTION migrate_flow.let TO PUBLIC": "PUBLIC has EXECUTE on the function migrate_flow.let",
    'REVOKE EXECUTE ON FUNCTION migrate_flow.let FROM "{migrator}"': " may not write migrate_flow.permit",
    "UPDATE migrate_flow.guard SET version = 9": "by another version of migrate-flow (guard 9, here 1)",
    "DROP FUNCTION migrate_flow.guard() CASCADE": "its event triggers are missing",
}


@pytest.mark.parametrize("statement", TAMPERED)
def test_what_is_not_as_it_should_be_is_named_and_mended(audited: Guarded, statement: str) -> None:
    audited.ddl(statement.replace("{migrator}", audited.migrator))
    found = audited.status()
    assert not found.complete or found.barred
    assert TAMPERED[statement] in (found.problem or found.barred)
    audited.ddl(f"ALTER SCHEMA migrate_flow OWNER TO {SUPERUSER}")
    audited.ddl(f"ALTER TABLE IF EXISTS migrate_flow.permit OWNER TO {SUPERUSER}")
    audited.ddl("ALTER TABLE migrate_flow.ddl_log DROP COLUMN IF EXISTS more")
    audited.install("block")
    assert audited.status().complete
    assert audited.refusal("CREATE TABLE t (id int)").sqlstate == REFUSED


@pytest.mark.parametrize(
    ("planted", "away", "problem"),
    [
        (
            "CREATE RULE gone AS ON INSERT TO migrate_flow.ddl_log DO INSTEAD NOTHING",
            "DROP RULE gone ON migrate_flow.ddl_log",
            "migrate_flow.ddl_log has the rule gone",
        ),
        (
            "ALTER TABLE migrate_flow.ddl_log ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE migrate_flow.ddl_log DISABLE ROW LEVEL SECURITY",
            "migrate_flow.ddl_log has row security",
        ),
        (
            "CREATE TRIGGER eats BEFORE INSERT ON migrate_flow.permit EXECUTE FUNCTION "
            "suppress_redundant_updates_trigger()",
            "DROP TRIGGER eats ON migrate_flow.permit",
            "migrate_flow.permit has the trigger eats",
        ),
        (
            "ALTER TABLE migrate_flow.ddl_log ALTER tag SET DEFAULT version()",
            "ALTER TABLE migrate_flow.ddl_log ALTER tag DROP DEFAULT",
            "migrate_flow.ddl_log has a default of tag",
        ),
    ],
)
def test_what_was_put_on_its_tables_is_named(audited: Guarded, planted: str, away: str, problem: str) -> None:
    assert audited.status().complete
    audited.ddl(planted)
    assert audited.status().problem == f"{problem}, which the guard does not give it"
    with pytest.raises(TargetError, match=problem.replace(" has", " is there already and has")):
        audited.install("audit")
    audited.ddl(away)
    assert audited.status().complete


@pytest.mark.parametrize("broken", ["DROP TABLE migrate_flow.ddl_log", "DROP TABLE migrate_flow.permit"])
def test_a_broken_guard_in_mode_audit_breaks_nobody_s_ddl(audited: Guarded, broken: str) -> None:
    audited.ddl(broken)
    told: list[str] = []
    with audited.client(audited.stranger) as client:
        client.add_notice_handler(lambda said: told.append(f"{said.severity}: {said.message_primary}"))
        client.execute("CREATE TABLE t (id int)")
    assert [line.rpartition(": ")[0] for line in told] == [
        "WARNING: the guard of migrate-flow failed, so CREATE TABLE is not recorded"
    ]
    assert audited.value("SELECT count(*) FROM t") == 0


def test_a_broken_guard_in_mode_block_refuses(audited: Guarded) -> None:
    audited.install("block")
    for name in ("start", "end", "drop"):
        audited.ddl(f"ALTER EVENT TRIGGER migrate_flow_guard_{name} DISABLE")
    audited.ddl("DROP TABLE migrate_flow.permit")
    audited.ddl("ALTER EVENT TRIGGER migrate_flow_guard_end ENABLE ALWAYS")
    said = audited.refusal("CREATE TABLE t (id int)")
    assert (said.sqlstate, said.message_hint) == (FAILED, "migrate-flow guard status --env prod")


def test_in_mode_block_nothing_passes_while_its_tables_are_locked_or_empty(audited: Guarded) -> None:
    audited.install("block")
    audited.ddl("DELETE FROM migrate_flow.guard")
    assert audited.refusal("CREATE TABLE t (id int)", audited.stranger).sqlstate == REFUSED
    for table, expected in (("guard", REFUSED), ("permit", FAILED)):
        with audited.client(autocommit=False) as holder:
            holder.execute(f"LOCK TABLE migrate_flow.{table} IN ACCESS EXCLUSIVE MODE".encode())
            said = audited.refusal("CREATE TABLE t (id int)", audited.stranger)
            holder.rollback()
        assert (said.sqlstate, "--env prod" in (said.message_hint or "")) == (expected, True)
    assert audited.value("SELECT to_regclass('public.t')") is None


@pytest.mark.parametrize(
    "statement",
    [
        *("DROP SCHEMA migrate_flow CASCADE", "DROP TABLE migrate_flow.guard", "DROP TABLE migrate_flow.permit"),
        *("DROP FUNCTION migrate_flow.guard() CASCADE", "ALTER SCHEMA migrate_flow RENAME TO away"),
        "CREATE OR REPLACE FUNCTION migrate_flow.guard() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
        *("DROP FUNCTION migrate_flow.let", 'DROP SCHEMA U&"migrate\\005fflow" CASCADE'),
    ],
)
def test_in_mode_block_it_is_not_taken_away_by_mistake(audited: Guarded, statement: str) -> None:
    audited.install("block")
    assert audited.refusal(statement).sqlstate == REFUSED
    assert audited.status().complete


def test_a_log_that_somebody_locks_keeps_nobody_waiting(audited: Guarded) -> None:
    with audited.client(autocommit=False) as holder:
        holder.execute("LOCK TABLE migrate_flow.ddl_log IN ACCESS EXCLUSIVE MODE")
        audited.ddl("CREATE TABLE t (id int)")
        holder.rollback()
    assert audited.log() == ()
    with audited.client(autocommit=False) as client:
        client.execute("CREATE TABLE u (id int)")
        with pytest.raises(BusyError, match="holds the guard's tables") as raised:
            audited.remove()
        assert raised.value.hint == "wait for it, then run the command again"
        client.commit()
    assert audited.status().complete


def test_survives_a_dump_that_a_superuser_restores(audited: Guarded) -> None:
    audited.ddl("CREATE TABLE t (id int)")
    audited.install("block")
    with dumped(audited, SUPERUSER) as dump:
        copy = replace(audited, url=audited.server.create_database())
        restore(copy, SUPERUSER, dump)
        assert copy.status() == audited.status()
        assert copy.status().complete
        assert copy.refusal("DROP TABLE t").sqlstate == REFUSED
        copy.install("audit")
        copy.ddl("DROP TABLE t")
        assert [row.id for row in copy.log()] == [1, 2]
        audited.server.drop_database(copy.url)


def test_who_migrates_can_dump_and_a_restore_by_them_loses_the_guard(audited: Guarded) -> None:
    audited.ddl(f'ALTER TABLE item OWNER TO "{audited.migrator}"')
    with dumped(audited, audited.migrator) as dump:
        copy = replace(audited, url=audited.server.create_database())
        audited.server.execute(f'ALTER DATABASE "{copy.database}" OWNER TO "{audited.migrator}"')
        with pytest.raises(RuntimeError, match="to create event trigger"):
            restore(copy, audited.migrator, dump)
        assert not copy.status().installed
        assert copy.status().problem.startswith("its event triggers are missing")
        assert copy.value("SELECT count(*) FROM item") == 0
        audited.server.drop_database(copy.url)


def test_a_dropped_event_trigger_is_told_by_status_alone(audited: Guarded) -> None:
    """DROP EVENT TRIGGER is seen by no event trigger; the catalog shows it."""
    audited.ddl("DROP EVENT TRIGGER migrate_flow_guard_end")
    audited.ddl("CREATE TABLE unseen (id int)")
    assert audited.log() == ()
    assert audited.status().problem == "the event trigger migrate_flow_guard_end is missing or not ours"


def test_a_superuser_s_way_around_is_told_where_it_is_set(audited: Guarded) -> None:
    if audited.value("SELECT current_setting('event_triggers', true) IS NULL"):
        return  # it came with PostgreSQL 17
    audited.ddl(f'ALTER DATABASE "{audited.database}" SET event_triggers = off')
    audited.ddl("CREATE TABLE unseen (id int)")
    assert audited.log() == ()
    assert audited.status().problem == "this session has event_triggers = off"
    assert audited.refusal("SET event_triggers = on", audited.stranger).sqlstate == "42501"
