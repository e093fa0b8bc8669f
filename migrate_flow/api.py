"""The flow for programs that embed it: ``migrate_flow.open(path)`` gives a project with `status`, `plan` and `apply`.

What is returned is typed and frozen; `document` is that of the command's ``--format json``, whose keys are promised.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migrate_flow.core.redaction import SECRET_VARIABLES, redact, remember
from migrate_flow.core.verdict import Verdict
from migrate_flow.errors import MigrateFlowError, Refused, TargetError, UnsettledError

if TYPE_CHECKING:
    from migrate_flow.services.progress import Progress as Event
    from migrate_flow.services.workspace import Workspace

_LOG = logging.getLogger("migrate_flow")

__all__ = [
    "Applied",
    "Migration",
    "Outlook",
    "Plan",
    "Progress",
    "Project",
    "Status",
    "Step",
    "Verdict",
    "open_project",
]


@dataclass(frozen=True, slots=True)
class Migration:
    """A row of the board. state: such as ``approved``; stale: what was vouched for is not what is here now. applied:
    state by environment, such as ``applied``, None where it never was. next: the command that takes it further."""

    revision: str
    message: str
    state: str
    stale: bool
    in_tree: bool
    applied: Mapping[str, str | None]
    next: str


@dataclass(frozen=True, slots=True)
class Status:
    """environments: in the order of promotion. migrations: oldest first."""

    environments: tuple[str, ...]
    migrations: tuple[Migration, ...]
    document: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Step:
    """One revision of a plan, or of what became of it. outcome: ``planned``, ``applied``, ``failed``, ``partial``,
    ``blocked`` or ``skipped``. error: why it failed, redacted."""

    revision: str
    message: str
    outcome: str
    verdicts: tuple[Verdict, ...]
    error: str = ""

    @property
    def blockers(self) -> tuple[Verdict, ...]:
        return tuple(verdict for verdict in self.verdicts if not (verdict.passed and verdict.checked))


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a plan and what became of one have in common. steps: in their order. blockers: of the target and of all
    steps."""

    environment: str
    allowed: bool
    steps: tuple[Step, ...]
    blockers: tuple[Verdict, ...]
    document: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Plan(Outlook):
    """digest: hand it to `apply`, which then refuses any other plan."""

    digest: str


@dataclass(frozen=True, slots=True)
class Applied(Outlook):
    """steps: in the order in which they ran, then those that did not. done: whether all that was asked for stands."""

    done: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """One thing that happened during `apply`. what: ``recovered`` (an interrupted attempt was settled first),
    ``started``, ``retried`` or ``ended``. message: the revision's, or why it is tried again or failed. number, of:
    which step of how many. outcome: as of `Step`, where it ended."""

    what: str
    revision: str
    message: str
    number: int
    of: int
    outcome: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class Project:
    """A project under the flow. path: its migrate-flow.toml. actor: whose key signs, empty for the only one that is
    here and known. Each call reads ledger and checkout anew. Not for several threads at once."""

    path: Path
    actor: str = ""

    def status(self) -> Status:
        """The board, as `migrate-flow status`. Raises ConfigError, LedgerError."""
        from migrate_flow.services.status import status
        from migrate_flow.views import board

        with _redacted():
            values = board.status(status(self._workspace())).values
        migrations = tuple(
            Migration(
                row["revision"], row["message"], row["state"], row["stale"], row["in_tree"],
                {name: found["state"] if found else None for name, found in row["applied"].items()}, row["next"],
            )
            for row in values["migrations"]
        )  # fmt: skip
        return Status(tuple(values["environments"]), migrations, values)

    def plan(self, environment: str, to: str = "head") -> Plan:
        """What would run, with every gate's verdict, as `migrate-flow plan`. Changes nothing. Raises UsageError (an
        unknown environment or revision), ConfigError, ScriptError, LedgerError."""
        from migrate_flow.services.plan import plan
        from migrate_flow.views import applying

        with _redacted():
            values = applying.plan(plan(self._workspace(), environment, to)).values
        steps, blockers = _steps(values)
        return Plan(environment, values["allowed"], steps, blockers, values, values["digest"])

    def apply(
        self,
        environment: str,
        to: str = "head",
        *,
        plan: str = "",
        confirm: str = "",
        check: bool = True,
        progress: Callable[[Progress], object] | None = None,
    ) -> Applied:
        """Applies what is pending up to a revision, as `migrate-flow apply`: all of it is allowed, or nothing runs.

        plan: the digest of the plan that somebody looked at. confirm: the environment's name, where it asks for that.
        check: raise for what was not done: Refused where a gate says no, TargetError where a revision failed and left
        the target as it was, UnsettledError where it is partly changed; `document` of the exception is the report.
        progress: is told what happens, in this thread; an exception of its own is logged, and stops nothing.
        Raises BusyError, IdentityError, UsageError, LedgerError, TargetError, UnsettledError in any case.
        """
        from migrate_flow.services.apply import Request, apply
        from migrate_flow.services.progress import run
        from migrate_flow.views import applying

        request = Request(environment, to, expected=plan, confirmed=confirm == environment)
        with _redacted():
            space = self._workspace()
            try:
                report = run(apply(space, request), lambda event: _tell(event, progress))
            finally:
                for line in space.tell():
                    _LOG.warning("%s", redact(line))
        values = applying.executed(report, "apply").values
        steps, blockers = _steps(values)
        done = report.allowed and all(step.outcome == "applied" for step in steps)
        if report.interrupted is not None:
            raise report.interrupted
        found = Applied(environment, report.allowed, steps, blockers, values, done)
        if check and (problem := _problem(found)) is not None:
            problem.document = values
            raise problem
        return found

    def _workspace(self) -> Workspace:
        from migrate_flow.bootstrap import wiring

        return wiring.workspace(self.path, self.actor, asks=False)


def open_project(path: str | os.PathLike[str] | None = None, *, actor: str = "") -> Project:
    """path: a migrate-flow.toml, or a folder in which or above which one stands; None for the current folder. Raises
    ConfigError where there is none, or it can't be used."""
    from migrate_flow.config.load import find, load

    for name in SECRET_VARIABLES:
        remember(os.environ.get(name))
    given = Path(path) if path is not None else Path.cwd()
    with _redacted():
        config = load(find(given) if given.is_dir() else given)
    return Project(config.path, actor.strip().lower())


@contextmanager
def _redacted() -> Iterator[None]:
    """What leaves as an exception is as clean as what the command line shows."""
    try:
        yield
    except MigrateFlowError as error:
        error.message, error.hint, error.where = (redact(text) for text in (error.message, error.hint, error.where))
        error.args = (error.message,)
        raise


def _tell(event: Event, listener: Callable[[Progress], object] | None) -> None:
    if listener is None:
        return
    try:
        message, took = redact(event.message), event.duration_s
        listener(Progress(event.what, event.revision, message, event.number, event.of, str(event.outcome), took))
    except Exception:
        _LOG.exception("the listener of apply failed")


def _steps(values: Mapping[str, Any]) -> tuple[tuple[Step, ...], tuple[Verdict, ...]]:
    steps = tuple(
        Step(step["revision"], step["message"], step["outcome"], _verdicts(step["gates"]), step.get("error", ""))
        for step in values["steps"]
    )
    target = Step("", "", "", _verdicts(values["gates"]))
    return steps, tuple(dict.fromkeys(verdict for step in (target, *steps) for verdict in step.blockers))


def _verdicts(values: list[dict[str, Any]]) -> tuple[Verdict, ...]:
    return tuple(Verdict(**{**value, "who": tuple(value["who"])}) for value in values)


def _problem(found: Applied) -> MigrateFlowError | None:
    """The first step that did not end well, else the first gate that says no."""
    where = f"[environments.{found.environment}]"
    for step in found.steps:
        if step.outcome == "partial":
            hint = f"migrate-flow recover --env {found.environment}"
            return UnsettledError(
                f"{step.revision} left the target partly changed: {step.error}", hint=hint, where=where
            )
        if step.outcome == "failed":
            hint = f"mend the cause, then migrate-flow plan --env {found.environment}"
            return TargetError(f"{step.revision} failed: {step.error}", hint=hint, where=where)
    if found.blockers:
        first = found.blockers[0]
        more = f" (and {len(found.blockers) - 1} more)" if len(found.blockers) > 1 else ""
        hint = first.hint or f"migrate-flow plan --env {found.environment}"
        return Refused(f"{first.gate}: {first.reason}{more}", hint=hint, where=where)
    return None
