"""The guard of a target: put in place, looked at, taken away; the ledger says whether one is to stand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from migrate_flow.core import guard as guards
from migrate_flow.core.entry import Draft, Kind
from migrate_flow.core.guard import GuardStatus, LoggedDdl, RecordedGuard
from migrate_flow.errors import TargetError, UsageError
from migrate_flow.services.drift import require_applier, settled
from migrate_flow.services.facts import look, target_record
from migrate_flow.services.recover import settle_open
from migrate_flow.services.review import require_comment

if TYPE_CHECKING:
    from migrate_flow.core.history import TargetRecord
    from migrate_flow.core.snapshot import Difference
    from migrate_flow.services.ports import Target
    from migrate_flow.services.workspace import Workspace

SHOWN = 10  # rows of the log at least, explained or not


@dataclass(frozen=True, slots=True)
class Guarded:
    """seen: what stands. recorded: what the ledger says. log: all that nobody explained, and some older rows.
    explained: id of the newest row that somebody explained. seq: of the entry that was made, 0 for none."""

    environment: str
    seen: GuardStatus
    recorded: RecordedGuard
    log: tuple[LoggedDdl, ...] = ()
    explained: int = 0
    seq: int = 0

    @property
    def differs(self) -> Difference | None:
        return guards.difference(self.recorded, self.seen, self.environment)

    @property
    def unexplained(self) -> bool:
        """Whether its log holds rows that no `drift accept` spoke of."""
        return self.seen.newest > self.explained

    @property
    def ok(self) -> bool:
        return self.differs is None and not self.unexplained and not self.seen.barred


def status(workspace: Workspace, environment: str) -> Guarded:
    """Raises UsageError for a dialect without guards, TargetError."""
    workspace.rules(environment)
    target = workspace.target(environment)
    seen = target.guard().status
    found = target_record(workspace, environment, target.observe())
    recorded = found.guard if found else RecordedGuard()
    explained = recorded.unexplained(seen)
    log = target.guard(min(explained, max(seen.newest - SHOWN, 0))).log
    return Guarded(environment, seen, recorded, log, explained)


def install(workspace: Workspace, environment: str, mode: str, superuser: Target | None = None) -> Guarded:
    """superuser: another way to the same database. Raises Refused, UsageError, TargetError, BusyError,
    UnsettledError."""
    require_applier(workspace, environment, "install the guard of", "guard install")
    wanted = _mode(mode)
    with _locked(workspace, environment) as (target, known, held):
        (superuser or target).install_guard(wanted, held, target.guard().roles)
        seen = target.guard().status
        if not seen.complete or seen.barred:
            raise TargetError(
                f"the guard was installed and is not whole: {seen.problem or seen.barred}",
                hint=f"mend that, then: migrate-flow guard install --env {environment}",
                where=environment,
            )
        fields = {"environment": environment, "target": known.uuid, "mode": mode, "version": str(seen.version)}
        entry = workspace.book.append(Draft(Kind.GUARD_INSTALLED, (), fields))
    return replace(status(workspace, environment), seq=entry.seq)


def remove(workspace: Workspace, environment: str, why: str, superuser: Target | None = None) -> Guarded:
    """As install. seq 0 where neither the ledger nor the target has a guard."""
    require_applier(workspace, environment, "remove the guard of", "guard remove", "-m WHY")
    require_comment(why, needed=True)
    with _locked(workspace, environment) as (target, known, held):
        stood = target.guard().status
        seq = 0
        if known.guard.installed or stood.installed:
            (superuser or target).remove_guard(held)
            fields = {
                "environment": environment,
                "target": known.uuid,
                "mode": known.guard.mode or stood.mode or None,
                "comment": why,
            }
            seq = workspace.book.append(Draft(Kind.GUARD_REMOVED, (), fields)).seq
    return replace(status(workspace, environment), seq=seq)


@contextmanager
def _locked(workspace: Workspace, environment: str) -> Iterator[tuple[Target, TargetRecord, object]]:
    """The target, what the ledger knows of it, and its lock, with no attempt open."""
    workspace.require_current_policy()
    target = workspace.target(environment)
    target.guard()  # another dialect, or a target out of reach, is said before anybody waits for a lock
    with target.lock() as held:
        settle_open(workspace, environment)
        yield target, settled(look(workspace, environment)), held


def _mode(text: str) -> Literal["audit", "block"]:
    modes: dict[str, Literal["audit", "block"]] = {"audit": "audit", "block": "block"}
    if text not in modes:
        raise UsageError(f"{text!r} is no mode of a guard", hint="--mode audit, or --mode block", where="--mode")
    return modes[text]
