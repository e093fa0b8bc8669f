"""The guard of a target: what stands there, what it has seen, and what the ledger says of it."""

from __future__ import annotations

from dataclasses import dataclass

from migrate_flow.core.snapshot import Difference

KIND = "guard"  # of an object that differs: no schema object has it
LOG_ROWS = 1000  # of a guard's log that are read at a time, the newest


@dataclass(frozen=True, slots=True)
class GuardStatus:
    """installed: whether the server calls it for any statement. mode: ``audit`` or ``block``, empty if none is known.
    complete: all of it stands as this version makes it; else problem says what does not. barred: why whoever looks gets
    no permit, so could not migrate there; a guard is not changed by who looks at it. version: 0 if none is known.
    logged: rows of the log. newest: the id of the last one, 0 if there is none. newest_at: RFC 3339 in UTC, or empty.
    """

    installed: bool
    complete: bool
    mode: str = ""
    environment: str = ""
    version: int = 0
    problem: str = ""
    logged: int = 0
    newest: int = 0
    newest_at: str = ""
    barred: str = ""


@dataclass(frozen=True, slots=True)
class LoggedDdl:
    """A statement from outside the flow that changed the schema. at: RFC 3339 in UTC. session_role: who connected;
    acting_role: after SET ROLE. client: an address, or ``local``. objects: kind and name, the first of object_count.
    event: ``sql_drop`` tells what was dropped, also by an ALTER TABLE, which then has a row of its own. statement: as
    the server has it; whoever shows it redacts it."""

    id: int
    at: str
    session_role: str
    acting_role: str
    client: str
    application: str
    event: str
    tag: str
    objects: tuple[str, ...]
    object_count: int
    statement: str


@dataclass(frozen=True, slots=True)
class SeenGuard:
    """One look at a target. log: settled rows behind the one that was asked for, oldest first, of which only the newest
    `LOG_ROWS`. roles: who migrates, as far as the server knows."""

    status: GuardStatus
    log: tuple[LoggedDdl, ...] = ()
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordedGuard:
    """What the ledger says of a target's guard. mode: empty where none is to stand. seq: of the entry that says so, 0
    if there never was one. logged: id of the newest row of its log that somebody explained."""

    mode: str = ""
    version: int = 0
    seq: int = 0
    logged: int = 0

    @property
    def installed(self) -> bool:
        return bool(self.mode)

    def unexplained(self, seen: GuardStatus) -> int:
        """The id behind which rows of the log wait for an explanation. A log that never came so far is another one."""
        return self.logged if self.logged <= seen.newest else 0


NO_GUARD = RecordedGuard()


def difference(recorded: RecordedGuard, seen: GuardStatus, environment: str) -> Difference | None:
    """How a guard that the ledger says is installed is not there as it was, if it is not."""
    if not recorded.installed:
        return None
    expected = f"mode {recorded.mode}, version {recorded.version}, for {environment}"
    observed = f"mode {seen.mode}, version {seen.version}, for {seen.environment}"
    if not seen.installed:
        return Difference(KIND, KIND, "removed", expected, seen.problem)
    if not seen.complete or observed != expected:
        return Difference(KIND, KIND, "changed", expected, seen.problem or observed)
    return None


def way_out(environment: str) -> str:
    """What clears a guard that differs. To accept it would be to go without one, and nobody said so."""
    install = f"migrate-flow guard install --env {environment}"
    return f"{install}; or, to go without: migrate-flow guard remove --env {environment} -m WHY"
