"""PostgreSQL's three advisory locks (they are per database), and what the server does for us.

K1: exclusive, on a connection of our own beside the migration, so that one process works on a target.
K2: shared, on every connection that env.py makes. A killed client frees K1 at once, while its statement goes on in the
    server and commits later: whoever holds K1 must first get K2 exclusively, which waits for such orphans.
K3: inside each transaction of a step.

All are tried, never waited for: a blocking wait holds a snapshot, and so keeps CREATE INDEX CONCURRENTLY waiting.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from migrate_flow.core.facts import Activity
from migrate_flow.core.trace import shortened
from migrate_flow.dialects.contention import hold, left_behind, within

SPACE = 0x4D464C4F  # "MFLO"
SUPERVISOR, RUNNER, STEP = 1, 2, 3
# A closed client's server process frees its lock a moment later.
ORPHAN_GRACE_S = 5.0
_LOCK_NAMES = {SUPERVISOR: "target", RUNNER: "migration", STEP: "step"}
_ACTIVITY = """
SELECT DISTINCT ON (a.pid) l.objid::int, a.pid, a.application_name,
  to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
  CASE WHEN a.state IN ('active', 'fastpath function call') THEN a.query ELSE '' END,
  coalesce(extract(epoch FROM clock_timestamp() - a.query_start)::float, 0),
  (SELECT string_agg(coalesce(nullif(b.application_name, ''), '?') || ' (server process ' || b.pid || ')', ', ')
   FROM pg_stat_activity b WHERE b.pid = ANY (pg_blocking_pids(a.pid)))
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.classid = %(space)s AND l.objsubid = 2 AND l.granted
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY a.pid, l.objid"""
_HELD = """
EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = {space} AND objid = {lock}
  AND objsubid = 2 AND granted AND pid = {pid}
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"""


def activity(connection: Connection) -> tuple[Activity, ...]:
    """Everybody who holds one of the locks in this database, once each."""
    rows = connection.exec_driver_sql(_ACTIVITY, {"space": SPACE}).all()
    return tuple(
        Activity(
            process=str(pid),
            application=application or "?",
            since=f"{since} UTC",
            lock=_LOCK_NAMES.get(lock, "?"),
            statement=shortened(query or ""),
            statement_s=round(seconds, 1) if query else 0.0,
            waits_for=blockers or "",
        )
        for lock, pid, application, since, query, seconds, blockers in sorted(rows, key=lambda row: tuple(row[:2]))
    )


def tried(connection: Connection, lock: int, *, shared: bool = False) -> bool:
    function = "pg_try_advisory_lock_shared" if shared else "pg_try_advisory_lock"
    return bool(connection.exec_driver_sql(f"SELECT {function}({SPACE}, {lock})").scalar())


def holds(connection: Connection, pid: int) -> bool:
    """Whether the supervisor with this server process holds K1 in the very database of this connection."""
    return bool(connection.exec_driver_sql(f"SELECT {held_by_pid(pid)}").scalar())


def held_by_pid(pid: int) -> str:
    """As `holds`, to be asked for beside something else. Without parameters: env.py's own driver may have another way
    to write one."""
    return _HELD.format(space=SPACE, lock=SUPERVISOR, pid=int(pid))


def take(connection: Connection, database: str, *, end_orphans: bool) -> int:
    """K1, and proof that nothing of an earlier run is left. The server process that holds it. Raises BusyError."""
    hold(database, lambda: tried(connection, SUPERVISOR), lambda: _first(connection, "target"), "server process")
    if end_orphans:
        _end(connection)
    if not within(ORPHAN_GRACE_S, lambda: tried(connection, RUNNER)):
        orphan = next((item for item in activity(connection) if item.lock != "target"), None)
        raise left_behind(database, orphan, "server process")
    pid, _ = connection.exec_driver_sql(f"SELECT pg_backend_pid(), pg_advisory_unlock({SPACE}, {RUNNER})").one()
    return int(pid)


def _end(connection: Connection) -> None:
    for item in activity(connection):
        if item.lock != "target":
            connection.exec_driver_sql("SELECT pg_terminate_backend(%s)", (int(item.process),))


def _first(connection: Connection, lock: str) -> Activity | None:
    return next((item for item in activity(connection) if item.lock == lock), None)


def handshake_pid(driver_connection: Any) -> int | None:
    """The server process that the driver was told of when it connected; None for a driver that does not say."""
    told = getattr(getattr(driver_connection, "info", None), "backend_pid", None)  # psycopg, psycopg2
    if told is None and hasattr(driver_connection, "get_server_pid"):  # asyncpg
        told = driver_connection.get_server_pid()
    return int(told) if told is not None else None
