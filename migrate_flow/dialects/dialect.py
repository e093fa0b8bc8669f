"""What a dialect fills in: how we look at a target, how we lock it, and what frames one migration step."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

    from migrate_flow.core.facts import Activity
    from migrate_flow.core.guard import GuardStatus, LoggedDdl
    from migrate_flow.core.snapshot import Snapshot
    from migrate_flow.dialects.tables import TargetTables
    from migrate_flow.errors import TargetError

# An outcome must not wait long for a look at the schema, which somebody's lock may keep waiting.
BRIEF_S = 3


@dataclass(frozen=True, slots=True)
class StepFrame:
    """What one step asks of its connection. Timeouts in seconds. held: what the lock gave. uuid: of the target.
    source: the text of all that runs. attempt: in whose name a guard lets it."""

    application: str
    lock_timeout_s: float
    statement_timeout_s: float
    held: object = None
    uuid: str = ""
    source: bytes = b""
    attempt: str = ""


@dataclass(slots=True)
class Begun:
    """A step on its connection. process, transaction: the server's names for both, empty where it has none.
    blocks: autocommit blocks that were entered. memory: what the dialect compares at the end. guarded: whether a guard
    stands, which must let the step."""

    frame: StepFrame
    process: str = ""
    transaction: str = ""
    blocks: int = 0
    memory: dict[str, Any] = field(default_factory=dict)
    guarded: bool = False


class Guard(Protocol):
    """What a dialect has against schema changes from outside the flow; see `guard_postgresql`."""

    def install(
        self, connection: Connection, mode: Literal["audit", "block"], environment: str, roles: tuple[str, ...] = ()
    ) -> None: ...

    def remove(self, connection: Connection, environment: str) -> None: ...

    def status(self, connection: Connection) -> GuardStatus: ...

    def log(self, connection: Connection, after_id: int = 0) -> tuple[LoggedDdl, ...]: ...

    def runners(self, connection: Connection) -> tuple[str, ...]: ...

    def stands(self, connection: Connection) -> bool: ...

    def permit(self, connection: Connection, attempt: str) -> None: ...

    def permit_session(self, connection: Connection, attempt: str) -> None: ...

    def no_permit(self, error: BaseException) -> TargetError | None: ...

    def release(self, connection: Connection, attempt: str) -> None: ...


class Dialect(Protocol):
    """Connections are SQLAlchemy's; every method may raise its DBAPIError.

    journals: whether its DDL commits by itself, so that each statement is written down. costly: whether a connection is
    worth keeping, being a process of the server's with caches of its own.
    blocks: whether a script may ask for an autocommit block.
    guard: None where the server calls nobody when its schema is changed.
    """

    @property
    def name(self) -> str: ...

    @property
    def tables(self) -> TargetTables: ...

    @property
    def context_options(self) -> dict[str, Any]:
        """Options for Alembic's EnvironmentContext that make one step one transaction."""
        ...

    @property
    def journals(self) -> bool: ...

    @property
    def costly(self) -> bool: ...

    @property
    def blocks(self) -> bool: ...

    @property
    def guard(self) -> Guard | None: ...

    def migration_url(self, url: URL, root: Path) -> URL:
        """The URL for env.py: the user's driver, paths made absolute. Raises UsageError."""
        ...

    def engine(self, url: URL, root: Path, application: str) -> Engine | None:
        """An engine of our own on a synchronous driver; None where there is no database yet. It never makes one."""
        ...

    def creating_engine(self, url: URL, root: Path, application: str) -> Engine:
        """As engine, for the first write: SQLite makes the file."""
        ...

    def observed_name(self, connection: Connection) -> str:
        """The dialect that the server speaks, as the configuration names dialects."""
        ...

    def server(self, connection: Connection) -> str: ...

    def obstacle(self, connection: Connection) -> str:
        """Why this database can't be migrated through this connection; empty if it can."""
        ...

    def foreign_tables(self, connection: Connection) -> tuple[str, ...]:
        """A few names of tables and views that are not ours."""
        ...

    def snapshot(
        self, connection: Connection, leave_out: frozenset[str] = frozenset(), *, rows: bool = False
    ) -> Snapshot:
        """The schema as it is, without our own tables. leave_out: Alembic's version tables, ``schema.`` before the
        name or not. rows: with what `rows` would give for the very same state. It may run inside a migration's
        transaction, and leaves the session as it was."""
        ...

    def rows(self, connection: Connection, leave_out: frozenset[str] = frozenset()) -> str:
        """A digest of all that a snapshot would be made from, in a fraction of the time: equal ones are equal schemas,
        and unequal ones tell nothing. Empty for a dialect that has none."""
        ...

    def row_counts(self, connection: Connection, leave_out: frozenset[str] = frozenset()) -> dict[str, int]:
        """Exact counts of all tables but ours, by the names that a snapshot has: for scratch databases."""
        ...

    def row_estimates(self, connection: Connection, relations: Sequence[str]) -> dict[str, int]:
        """About how many rows these tables hold, of those that the server ever counted."""
        ...

    def be_brief(self, connection: Connection) -> None:
        """From now on nobody's lock keeps this connection waiting for longer than BRIEF_S."""
        ...

    def only_look(self, connection: Connection) -> None:
        """Before the first look on a connection of our own that writes nothing."""
        ...

    def prepare(self, connection: Connection) -> None:
        """Before the identity and receipt tables are made."""
        ...

    # The lock

    def lock(
        self, url: URL, root: Path, application: str, *, engine: Engine | None = None, end_orphans: bool = False
    ) -> AbstractContextManager[object]:
        """Hold the target against other processes of ours, orphaned server processes included. The value proves it
        on another connection, see holds. Raises BusyError naming the holder. engine: one of our own that knows its
        server already. end_orphans: end those first."""
        ...

    def holds(self, connection: Connection, held: object) -> bool:
        """Whether this connection is to the database that is locked, and the lock still stands."""
        ...

    def activity(self, connection: Connection) -> tuple[Activity, ...]:
        """What the server does for us now."""
        ...

    # One step, on the migration connection

    def while_env_runs(self, frame: StepFrame | None) -> AbstractContextManager[None]:
        """Listeners that reach the engines which env.py makes. frame: None for a probe that changes nothing."""
        ...

    def begin_step(self, connection: Connection, frame: StepFrame) -> Begun:
        """First act on the migration connection."""
        ...

    def begin_segment(self, connection: Connection, begun: Begun) -> None:
        """First act in the transaction behind an autocommit block."""
        ...

    def end_segment(self, connection: Connection, begun: Begun) -> None:
        """Last act before a commit. Raises UnsettledError where the step did not stay in its transaction,
        TargetError where the lock was lost or the result must not be committed."""
        ...

    def enter_block(self, connection: Connection, begun: Begun) -> None:
        """Last act before the commit with which an autocommit block begins. Its end is begin_segment."""
        ...

    def end_step(self, connection: Connection, begun: Begun) -> None:
        """As end_segment, for the whole step."""
        ...

    def before_statement(self, connection: Connection, begun: Begun, text: str) -> None:
        """Before each statement of the script."""
        ...

    def commits_by_itself(self, text: str, *, in_block: bool) -> bool:
        """Whether the database makes this statement durable at once, whatever comes after."""
        ...

    def may_retry(self, error: BaseException) -> bool:
        """Whether the same step may well succeed a moment later: a lock timeout, a deadlock."""
        ...

    def refused(self, error: BaseException) -> bool:
        """Whether the target's guard refused a statement: it came from where no permit holds."""
        ...

    # Beside a step, on a connection of our own

    def watch(self, connection: Connection) -> None:
        """Prepare the connection: it commits each statement, and nothing ends it for being idle."""
        ...

    def fingerprint(self, connection: Connection, text: str) -> str | None:
        """A digest of what this statement changes, as it is now; None where that can't be told."""
        ...

    def all_or_nothing(self, text: str) -> bool:
        """Whether an error of this statement means that it changed nothing."""
        ...

    def leftovers(self, connection: Connection) -> dict[str, str]:
        """Objects that are unusable, as a failed statement leaves them: by name, what to know and to do."""
        ...

    def waits_for(self, connection: Connection, begun: Begun) -> str:
        """Who keeps the step waiting; empty if nobody does."""
        ...

    def cancel(self, connection: Connection, begun: Begun) -> None:
        """End what the server still does for the step."""
        ...

    def has_ended(self, connection: Connection, begun: Begun) -> bool:
        """Whether the step's transaction is committed or rolled back, and its server process does nothing for it."""
        ...


def mentioned(name: str, texts: Sequence[str]) -> bool:
    """Whether one of the statements speaks of an object, whatever schema and quotes its name comes with."""
    bare = name.rpartition(".")[2].strip('"`')
    return any(re.search(rf"(?<!\w){re.escape(bare)}(?!\w)", text) for text in texts)
