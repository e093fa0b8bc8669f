"""Makes a new migration script from the project's template, and records `created`."""

from __future__ import annotations

from dataclasses import replace

from migrate_flow.core.entry import Kind
from migrate_flow.errors import UsageError
from migrate_flow.services.content import resolve_one
from migrate_flow.services.ports import NewRevision
from migrate_flow.services.track import Tracked, record_created
from migrate_flow.services.workspace import Workspace


def new(workspace: Workspace, request: NewRevision) -> Tracked:
    """Raises UsageError, ScriptError, IdentityError, Refused; then no script is written."""
    workspace.require_current_policy()
    workspace.book.ready(Kind.MIGRATION_CREATED)
    if not request.message.strip():
        raise UsageError("the message is empty", hint='migrate-flow new -m "what changes"', where="-m")
    heads = tuple(head if "@" in head else resolve_one(workspace, head) for head in request.heads if head != "heads")
    url = None
    if request.autogenerate:
        first = next(iter(workspace.config.environments))
        url = workspace.target(first).migration_url()
    path = workspace.runner.new_revision(replace(request, heads=heads), url)
    fresh = workspace.scripts.reread()
    revision = next(rev for rev, found in fresh.revisions.items() if found.path == path)
    return record_created(replace(workspace, scripts=fresh), revision, via="new")
