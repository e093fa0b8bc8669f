"""Which revisions a check is about: those that are named, those that a branch changed, or those still to come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate_flow.errors import LedgerError, ScriptError, UsageError

if TYPE_CHECKING:
    from migrate_flow.services.lint import Project
    from migrate_flow.services.ports import Scripts
    from migrate_flow.services.workspace import Workspace

WITHOUT_LEDGER = "name revisions, or --since GIT_REF: both work without the ledger"


@dataclass(frozen=True)
class Chosen:
    """revisions: parents first. workspace: where the ledger was asked, else None."""

    revisions: tuple[str, ...]
    workspace: Workspace | None = None


def choose(
    project: Project, texts: Sequence[str], since: str, workspace: Callable[[], Workspace], *, everything: bool = False
) -> Chosen:
    """texts: REVs. since: a git ref. everything: all of the checkout. With none of them what is not applied everywhere,
    as the ledger knows it.

    Raises UsageError, ScriptError, ConfigError, LedgerError.
    """
    given = [word for word, there in (("REV", texts), ("--since", since), ("--all", everything)) if there]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} exclude each other", hint="give one of them", where=given[1])
    if everything:
        return Chosen(project.scripts.graph.order())
    if texts:
        return Chosen(named(project.scripts, texts))
    if since:
        return Chosen(changed(project, since))
    try:
        opened = workspace()
    except LedgerError as error:
        raise LedgerError(error.message, hint=f"{error.hint}; or {WITHOUT_LEDGER}", where=error.where) from error
    return Chosen(not_everywhere(opened), opened)


def named(scripts: Scripts, texts: Sequence[str]) -> tuple[str, ...]:
    """In the order of the graph, each once. Raises ScriptError for one that is unknown or ambiguous."""
    wanted = {revision for text in texts for revision in scripts.graph.resolve(text)}
    return tuple(revision for revision in scripts.graph.order() if revision in wanted)


def changed(project: Project, since: str) -> tuple[str, ...]:
    """Revisions whose scripts are not as they were where this branch left the git ref. Raises UsageError."""
    by_path = {header.path: id_ for id_, header in project.scripts.revisions.items()}
    files = [(path, content) for path in by_path if (content := _bytes(project, path)) is not None]
    wanted = {by_path[path] for path in project.since(since, files) if path in by_path}
    return tuple(revision for revision in project.scripts.graph.order() if revision in wanted)


def not_everywhere(workspace: Workspace) -> tuple[str, ...]:
    """Revisions of this checkout that do not stand in each of the last environments: those that no other names as
    upstream."""
    rules = workspace.policy.environments
    upstreams = {name for one in rules.values() for name in one.upstream}
    last = [workspace.history.environment(name) for name in rules if name not in upstreams]
    return tuple(
        revision
        for revision in workspace.scripts.graph.order()
        if not all((found := place.latest(revision)) is not None and found.stands for place in last)
    )


def _bytes(project: Project, path: str) -> bytes | None:
    try:
        return project.source(path)
    except ScriptError:
        return None  # whoever reads it, says why it can't be
