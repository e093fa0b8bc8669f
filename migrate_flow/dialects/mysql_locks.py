"""The two locks of MySQL and MariaDB, who holds them, and what the server does for us.

K1: on a connection of our own beside the migration, so that one process works on a target.
K2: on the migration's connection. A killed client frees K1 at once, while its statement goes on in the server: whoever
    holds K1 must first see that K2 is free, which waits for such orphans.

Both are GET_LOCK: gone with their connection, and the server rolls back before it frees them. Their names are
server-wide and case-insensitive, so they carry the database's name, and the target's uuid.

An idle connection shows nothing of who made it: the performance schema, which would show the driver's attributes, is
off in MariaDB by default. So each holder leaves a note in a table. A note is no lock: it counts only while the server
says that the connection which it names holds the lock.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, DateTime, MetaData, String, Table, select, text
from sqlalchemy.exc import DBAPIError

from migrate_flow.core.facts import Activity
from migrate_flow.core.trace import shortened
from migrate_flow.dialects.contention import hold, left_behind, within
from migrate_flow.dialects.tables import PREFIX, TargetTables

LONGEST_NAME = 64
# A closed client's connection frees its lock a moment later.
CLOSING_S = 1
# A holder writes its note a moment after it has the lock.
NOTING_S = 2.0
ORPHAN_GRACE_S = 5.0
# NOTE: InnoDB's list of transactions is a copy, made anew only when nobody has read it for a tenth of a second.
TRANSACTIONS_OLD_S = 0.15
TARGET, STEP = "target", "migration"
HOLDER = Table(
    f"{PREFIX}holder",
    MetaData(),
    Column("name", String(64), primary_key=True),
    Column("connection", BigInteger, nullable=False, autoincrement=False),
    Column("application", String(255), nullable=False),
    Column("since", DateTime, nullable=False),
    mysql_engine="InnoDB",
    mariadb_engine="InnoDB",
    mysql_charset="utf8mb4",
    mariadb_charset="utf8mb4",
)
_PROCESS = """
SELECT user AS user, host AS host, command AS command, state AS state, info AS info, time AS time,
  UTC_TIMESTAMP() - INTERVAL time SECOND AS since
FROM information_schema.processlist WHERE id = :id"""


@dataclass(frozen=True, slots=True)
class Held:
    """The proof of K1. connection: the server's number of the one that holds it."""

    name: str
    connection: int
    database: str


def target_lock(database: str) -> str:
    name = f"migrate_flow:{database.lower()}"
    if len(name) <= LONGEST_NAME and re.fullmatch(r"[a-z0-9_:$-]+", name):
        return name
    return f"migrate_flow:{sha256(database.lower().encode()).hexdigest()[:40]}"


def step_lock(uuid: str) -> str:
    return f"migrate_flow:step:{uuid}"


def holder_of(connection: Connection, name: str) -> int | None:
    """The number of the connection that holds this lock."""
    number = connection.exec_driver_sql(f"SELECT IS_USED_LOCK('{name}')").scalar()
    return None if number is None else int(number)


def holds(connection: Connection, held: Held) -> bool:
    """Whether K1 stands on the very server of this connection, whose database is the locked one."""
    query = f"SELECT DATABASE(), IS_USED_LOCK('{held.name}')"
    database, number = connection.exec_driver_sql(query).one()
    return (database, number) == (held.database, held.connection)


def take(connection: Connection, tables: TargetTables, application: str, *, end_orphans: bool) -> Held:
    """K1, and proof that nothing of an earlier run is left. Raises BusyError."""
    database = str(connection.exec_driver_sql("SELECT DATABASE()").scalar())
    name = target_lock(database)

    def tried() -> bool:
        return bool(connection.exec_driver_sql(f"SELECT GET_LOCK('{name}', {CLOSING_S})").scalar() == 1)

    hold(database, tried, lambda: _noted_activity(connection, name), "connection")
    number = int(connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one())
    note(connection, name, number, application)  # first of all: others look for it while we wait
    _wait_for_orphans(connection, tables, database, end=end_orphans)
    return Held(name, number, database)


def release(connection: Connection, held: Held) -> None:
    """At once: with the connection's end alone, the lock would go a moment after this process."""
    with suppress(DBAPIError):
        connection.exec_driver_sql(f"DO RELEASE_LOCK('{held.name}')")


def note(connection: Connection, name: str, holder: int, application: str) -> None:
    """Who holds a lock. Nothing where the table is not made yet: before a database is claimed."""
    if connection.dialect.has_table(connection, HOLDER.name):
        row = f"'{name}', {holder}, '{_literal(application)}', UTC_TIMESTAMP()"
        connection.exec_driver_sql(f"REPLACE INTO {HOLDER.name} VALUES ({row})")  # noqa: S608 see _literal


def activity(connection: Connection, tables: TargetTables) -> tuple[Activity, ...]:
    """Everybody who holds one of the locks of this database."""
    database = str(connection.exec_driver_sql("SELECT DATABASE()").scalar())
    names = [(target_lock(database), TARGET)]
    identity = tables.read_identity(connection)
    if identity is not None:
        names.append((step_lock(identity.uuid), STEP))
    found = (_activity(connection, name, lock) for name, lock in names)
    return tuple(item for item in found if item is not None)


def waits_for(connection: Connection, number: int) -> str:
    """Who may keep this connection waiting. The server does not say who holds a metadata lock: whoever has a
    transaction open may be it."""
    process = _process(connection, number)
    state = str(process.state or "") if process is not None else ""
    try:
        query = (
            "SELECT t.trx_mysql_thread_id, t.trx_state, CAST(t.trx_started AS CHAR), p.user, p.host "
            "FROM information_schema.innodb_trx t "
            "LEFT JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id ORDER BY t.trx_started"
        )
        rows = connection.exec_driver_sql(query).all()
    except DBAPIError:  # for those with the privilege PROCESS only
        rows = []
    waits_for_row = any(row[0] == number and row[1] == "LOCK WAIT" for row in rows)
    if not waits_for_row and not (state.startswith("Waiting for") and state.endswith("lock")):
        return ""
    others = [row for row in rows if row[0] not in (number, 0)]
    named = [
        f"connection {row[0]} ({row[3] or '?'}@{row[4] or '?'}, in a transaction since {row[2]})" for row in others
    ]
    return " or ".join(named[:3]) or "a connection that shows no transaction"


def has_ended(connection: Connection, number: int, uuid: str) -> bool:
    """Whether this connection is gone, locks included, or idle outside of any transaction."""
    process = _process(connection, number)
    if process is None:
        return holder_of(connection, step_lock(uuid)) != number
    if process.command != "Sleep":
        return False
    time.sleep(TRANSACTIONS_OLD_S)
    query = "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = :id"
    try:
        return connection.execute(text(query), {"id": number}).scalar() == 0
    except DBAPIError:
        return False  # for those with the privilege PROCESS only


def kill(connection: Connection, number: int, what: str = "") -> None:
    """what: ``QUERY`` leaves the connection."""
    with suppress(DBAPIError):  # it may have ended meanwhile
        connection.exec_driver_sql(f"KILL {what} {number}")


def handshake_id(driver_connection: Any) -> int | None:
    """The connection's number as the server told it at the handshake, its lower 32 bits; None where the driver does
    not say."""
    told = getattr(driver_connection, "thread_id", None)
    return int(told()) % 2**32 if callable(told) else None


def _wait_for_orphans(connection: Connection, tables: TargetTables, database: str, *, end: bool) -> None:
    identity = tables.read_identity(connection)
    if identity is None:
        return
    name = step_lock(identity.uuid)
    orphan = holder_of(connection, name)
    if end and orphan is not None:
        kill(connection, orphan)
    if within(ORPHAN_GRACE_S, lambda: holder_of(connection, name) is None):
        return
    raise left_behind(database, _activity(connection, name, STEP), "connection")


def _noted_activity(connection: Connection, name: str) -> Activity | None:
    """Of a runner: with its note, if that comes in time."""

    def settled() -> bool:
        number = holder_of(connection, name)
        return number is None or _note(connection, name, number) is not None

    if connection.dialect.has_table(connection, HOLDER.name):
        within(NOTING_S, settled)
    return _activity(connection, name, TARGET)


def _activity(connection: Connection, name: str, lock: str) -> Activity | None:
    number = holder_of(connection, name)
    if number is None:
        return None
    process = _process(connection, number)
    noted = _note(connection, name, number)
    if noted is not None:
        application, since = str(noted.application), f"{noted.since} UTC"
    elif process is not None:
        application, since = f"{process.user}@{process.host}", f"{process.since} UTC"
    else:  # others' connections are for those with the privilege PROCESS
        application, since = "?", "?"
    statement = shortened(str(process.info or "")) if process is not None else ""
    return Activity(
        process=str(number),
        application=application,
        since=since,
        lock=lock,
        statement=statement,
        statement_s=float(process.time or 0) if statement and process is not None else 0.0,
        waits_for=waits_for(connection, number),
    )


def _note(connection: Connection, name: str, number: int) -> Any:
    if not connection.dialect.has_table(connection, HOLDER.name):
        return None
    mine = HOLDER.c.name == name, HOLDER.c.connection == number
    return connection.execute(select(HOLDER.c.application, HOLDER.c.since).where(*mine)).first()


def _process(connection: Connection, number: int) -> Any:
    return connection.execute(text(_PROCESS), {"id": number}).first()


def _literal(words: str) -> str:
    return "".join(c for c in words if c.isascii() and (c.isalnum() or c in " @.:-_+"))[:255]
