"""The static rules and a rehearsal of the same revisions."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from migrate_flow.services.lint import Linted, Project, lint
from migrate_flow.services.progress import Progress
from migrate_flow.services.rehearse import Effort, Rehearsed, Rehearser, rehearse
from migrate_flow.services.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Checked:
    """What both said."""

    linted: Linted
    rehearsed: Rehearsed

    @property
    def ok(self) -> bool:
        return self.linted.ok and self.rehearsed.ok


def check(
    project: Project,
    rehearser: Rehearser,
    texts: Sequence[str],
    since: str,
    workspace: Callable[[], Workspace],
    effort: Effort,
) -> Generator[Progress, None, Checked]:
    """Which revisions: as `lint` has it. A file that can't be used is a finding, and then nothing is rehearsed.

    Raises UsageError, ScriptError, ConfigError, LedgerError, TargetError.
    """
    linted = lint(project, texts, since, workspace)
    if project.scripts.problems:
        return Checked(linted, Rehearsed((), {}))
    rehearsed = yield from rehearse(project.config, project.scripts, rehearser, linted.revisions, effort)
    return Checked(linted, rehearsed)
