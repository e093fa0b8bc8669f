"""Which revisions a check is about."""

from __future__ import annotations

from collections.abc import Sequence

from migrate_flow.services.ports import Scripts
from migrate_flow.services.workspace import Workspace


def named(scripts: Scripts, texts: Sequence[str]) -> tuple[str, ...]:
    """In the order of the graph, each once. Raises ScriptError for one that is unknown or ambiguous."""
    wanted = {revision for text in texts for revision in scripts.graph.resolve(text)}
    return tuple(revision for revision in scripts.graph.order() if revision in wanted)


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
