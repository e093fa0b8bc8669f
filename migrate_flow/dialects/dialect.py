"""What a dialect fills in: how we look at a target, how we lock it, and what frames one migration step."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import URL, Connection, Engine

from migrate_flow.dialects.tables import TargetTables


@dataclass(frozen=True, slots=True)
class StepFrame:
    """What one step asks of its connection. Timeouts in seconds; 0 means none."""

    application: str
    lock_timeout_s: float
    statement_timeout_s: float


class Dialect(Protocol):
    """Connections are SQLAlchemy's; every method may raise its DBAPIError."""

    @property
    def name(self) -> str: ...

    @property
    def tables(self) -> TargetTables: ...

    @property
    def context_options(self) -> dict[str, Any]:
        """Options for Alembic's EnvironmentContext that make one step one transaction."""
        ...

    def migration_url(self, url: URL, root: Path) -> URL:
        """The URL for env.py: the user's driver, paths made absolute. Raises UsageError."""
        ...

    def engine(self, url: URL, root: Path, application: str) -> Engine | None:
        """An engine of our own on a synchronous driver; None where there is no database yet. It never makes one."""
        ...

    def creating_engine(self, url: URL, root: Path, application: str) -> Engine:
        """As engine, for the first write: SQLite makes the file."""
        ...

    def server(self, connection: Connection) -> str: ...

    def obstacle(self, connection: Connection) -> str:
        """Why this database can't be written; empty if it can."""
        ...

    def foreign_tables(self, connection: Connection) -> tuple[str, ...]:
        """A few names of tables and views that are not ours."""
        ...

    def prepare(self, connection: Connection) -> None:
        """Before the identity and receipt tables are made."""
        ...

    def watch(self, connection: Connection) -> object:
        """On a connection of our own, before a step: what tells afterwards whether anything was committed."""
        ...

    def committed(self, connection: Connection, seen: object, begun: object) -> bool:
        """After a step without a receipt, on the connection of watch: whether something was committed all the same.
        begun: what begin_step gave, None if the step never came that far."""
        ...

    def lock(self, url: URL, root: Path, application: str) -> AbstractContextManager[None]:
        """Hold the target against other processes of ours. Raises BusyError naming the holder."""
        ...

    def while_env_runs(self) -> AbstractContextManager[None]:
        """Listeners that reach the engines which env.py makes."""
        ...

    def begin_step(self, connection: Connection, frame: StepFrame) -> object:
        """First act on the migration connection; the value is handed to end_step."""
        ...

    def end_step(self, connection: Connection, begun: object) -> None:
        """Last act before the commit. Raises UnsettledError where the step did not stay in its transaction."""
        ...
