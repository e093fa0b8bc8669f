"""Who owns the guard, who could put something in its place, and whose permits its owner can tell apart."""

from __future__ import annotations

import pytest

from migrate_flow.dialects import guard_postgresql as guard
from migrate_flow.errors import TargetError
from tests.support.guarded import SUPERUSER, Guarded

SCHEMA_OWNER = "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'migrate_flow'"


def test_nobody_but_its_owner_can_put_something_in_its_place(audited: Guarded) -> None:
    """The function runs with a superuser's rights: a table of somebody else's in the place of its log, with a trigger
    on it, would run anything."""
    assert audited.value(SCHEMA_OWNER) == SUPERUSER
    for statement in (
        *("DROP TABLE migrate_flow.ddl_log", "DROP TABLE migrate_flow.permit", "DROP SCHEMA migrate_flow CASCADE"),
        *("ALTER SCHEMA migrate_flow RENAME TO other", "ALTER TABLE migrate_flow.permit RENAME TO other"),
        "CREATE TRIGGER t AFTER INSERT ON migrate_flow.permit EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        *("INSERT INTO migrate_flow.guard (mode) VALUES ('audit')", "UPDATE migrate_flow.permit SET pid = 1"),
        *("DROP FUNCTION migrate_flow.guard() CASCADE", "DROP EVENT TRIGGER migrate_flow_guard_end"),
    ):
        assert audited.refusal(statement, audited.migrator).sqlstate == "42501"
    audited.ddl("CREATE TABLE migrate_flow.more (id int)", audited.migrator)


def test_what_a_superuser_gives_to_all_new_tables_is_not_given_here(target: Guarded) -> None:
    target.ddl(f"ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {target.stranger}, PUBLIC")
    target.ddl(f"ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO {target.stranger}")
    target.ddl(f"ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO {target.stranger}")
    target.ddl("DROP SCHEMA migrate_flow CASCADE")
    with target.ours() as connection:
        guard.install(connection, "audit", "prod", (target.migrator,))
    target.install("block")
    for name in ("guard", "permit", "ddl_log", "permit_id_seq", "ddl_log_id_seq"):
        assert target.refusal(f"SELECT * FROM migrate_flow.{name}", target.stranger).sqlstate == "42501"
    with target.ours(target.migrator) as connection:
        guard.permit(connection, "a-1")
        connection.exec_driver_sql("CREATE TABLE t (id int)")


def test_a_table_that_somebody_laid_ready_is_not_taken(target: Guarded) -> None:
    target.ddl("CREATE TABLE migrate_flow.ddl_log (LIKE migrate_flow.target)", target.migrator)
    with pytest.raises(TargetError, match=r"migrate_flow\.ddl_log is there already and has other columns") as raised:
        target.install("audit")
    assert not target.status().installed
    assert target.value(SCHEMA_OWNER) == f'"{target.migrator}"'
    target.ddl(raised.value.hint.rpartition(": ")[2])
    target.install("audit")
    target.remove()
    target.ddl(
        "CREATE TRIGGER trap AFTER INSERT ON migrate_flow.ddl_log EXECUTE FUNCTION suppress_redundant_updates_trigger()"
    )
    with pytest.raises(TargetError, match="has the trigger trap, which the guard does not give it"):
        target.install("audit")
    target.ddl("DROP TRIGGER trap ON migrate_flow.ddl_log")
    target.install("audit")


@pytest.mark.parametrize("mode", ["audit", "block"])
def test_from_a_momentary_superuser_to_a_real_one(target: Guarded, mode: guard.Mode) -> None:
    """As the hint says it, with the log kept."""
    target.ddl(f'ALTER ROLE "{target.migrator}" SUPERUSER')
    target.install("audit", target.migrator)
    target.ddl("CREATE TABLE t (id int)")
    target.install(mode, target.migrator)
    target.ddl(f'ALTER ROLE "{target.migrator}" NOSUPERUSER')
    with pytest.raises(TargetError, match=r"migrate_flow\.ddl_log is there already and belongs to Guard") as raised:
        target.install(mode)
    first, statement = raised.value.hint.split("; then: ")
    assert first == "migrate-flow guard remove --env prod -m WHY"
    target.remove()
    target.ddl(statement)
    target.install(mode)
    assert target.status().complete
    assert [row.objects for row in target.log()] == [("table public.t",)]


def test_an_owner_who_can_t_see_the_sessions_of_who_migrates_is_told(target: Guarded) -> None:
    """Only the owner could apply, while all parts stand."""
    second = f"second_of_{target.database}"
    target.server.execute(f"CREATE ROLE {second} LOGIN")
    target.ddl(f'ALTER ROLE "{target.migrator}" SUPERUSER')
    with target.ours(target.migrator) as connection:
        guard.install(connection, "block", "prod", (second,))
    target.ddl(f'ALTER ROLE "{target.migrator}" NOSUPERUSER')
    for role in (target.migrator, second):
        problem = target.status(role).problem
        assert f"no superuser and may not see when sessions of {second} began" in problem
    with target.ours(second) as connection, pytest.raises(TargetError, match="may not see when a session") as raised:
        guard.permit(connection, "a-1")
    way_out = f'GRANT pg_read_all_stats TO "{target.migrator}"'
    assert problem.endswith(way_out)
    assert raised.value.hint.endswith(way_out)
    target.server.execute(way_out)
    assert target.status(second).complete
    with target.ours(second) as connection:
        guard.permit(connection, "a-1")
        connection.rollback()
    target.remove(target.migrator)
    target.ddl(f"DROP OWNED BY {second}")
    target.server.execute(f"DROP ROLE {second}")
