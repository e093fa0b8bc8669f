"""Attempts without an outcome: who, since when, where, and what the server does for them now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate_flow.core.history import Applied, Attempt, TargetRecord
from migrate_flow.errors import MigrateFlowError

if TYPE_CHECKING:
    from migrate_flow.core.facts import Activity
    from migrate_flow.services.workspace import Workspace


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """partial: whether it is known to have changed a part. left: what of it is durable or in doubt, as sentences.

    processes: what the server does for us. problem: why that could not be asked, empty if it could.
    """

    environment: str
    attempt: Attempt
    partial: bool
    left: tuple[str, ...]
    processes: tuple[Activity, ...]
    problem: str = ""

    @property
    def where(self) -> str:
        operator = self.attempt.operator
        return f" on {operator['host']}, process {operator['pid']}" if operator else ""

    @property
    def under_way(self) -> bool:
        """Whether the process that began it still holds the target."""
        operator = self.attempt.operator
        me = f"@{operator.get('host')}:{operator.get('pid')}"
        return any(process.lock == "target" and process.application.endswith(me) for process in self.processes)

    @property
    def command(self) -> str:
        return f"migrate-flow recover --env {self.environment}"

    def __str__(self) -> str:
        what = "is under way" if self.under_way else "has no outcome"
        if self.partial:
            what = f"left {self.environment} partly changed"
        if self.attempt.may_resume:
            what += ", and goes on with the next apply"
        return (
            f"{self.environment}: {self.attempt.direction} {self.attempt.revision} by {self.attempt.by} since "
            f"{self.attempt.at:%Y-%m-%d %H:%M:%S} UTC{self.where} {what}"
        )


def open_attempts(workspace: Workspace) -> tuple[OpenAttempt, ...]:
    """Looks at a target only where an attempt is open on it. Never raises for one that is out of reach."""
    return tuple(
        _look(workspace, name, target, attempt)
        for name, environment in workspace.history.environments.items()
        for target, attempt in environment.open_attempts()
    )


def _look(workspace: Workspace, name: str, target: TargetRecord, attempt: Attempt) -> OpenAttempt:
    known = target.applications.get(attempt.revision)
    partial = known is not None and known.attempt == attempt.id and known.state is Applied.PARTIAL
    left: tuple[str, ...] = ()
    processes: tuple[Activity, ...] = ()
    problem = ""
    try:
        workspace.rules(name)
        database = workspace.target(name)
        remains = database.left_by(attempt.id)
        seen = remains.observation.identity
        if seen is not None and seen.uuid != target.uuid:
            problem = "another database answers here"
        else:
            processes = database.activity()
            from migrate_flow.services.settle import joined

            left = joined(database, attempt, remains.trace).sentences()
    except MigrateFlowError as error:
        problem = error.message
    return OpenAttempt(name, attempt, partial, left, processes, problem)
