"""Makes a new migration script from the project's template, and records `created`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from migrate_flow.core.entry import Kind
from migrate_flow.core.text import safe
from migrate_flow.errors import UsageError
from migrate_flow.services.content import resolve_one
from migrate_flow.services.track import Tracked, record_created

if TYPE_CHECKING:
    from migrate_flow.services.ports import NewRevision
    from migrate_flow.services.workspace import Workspace

# What lint knows as placeholders: a script that nobody has completed is told as unfinished.
WHY = "Say why this change is needed, and what it is worth."
BACK = "Say what the downgrade does, and what is lost by it."
PROMISED = "Say what becomes of each field that other systems read."
PERHAPS = "Say what becomes of each field that other systems read, or delete this section: no table of {} is touched."


@dataclass(frozen=True, slots=True)
class Section:
    """Of a docstring. titles: in lower case, under which a template may have it already. given: by the author."""

    title: str
    text: str
    given: bool = False
    other_titles: tuple[str, ...] = ()

    @property
    def titles(self) -> tuple[str, ...]:
        return (self.title.lower(), *self.other_titles)


def new(workspace: Workspace, request: NewRevision) -> Tracked:
    """Raises UsageError, ScriptError, IdentityError, Refused; then no script is written."""
    workspace.require_current_policy()
    workspace.book.ready(Kind.MIGRATION_CREATED)
    _require_texts(request)
    heads = tuple(parent for text in request.heads for parent in _parents(workspace, text))
    globs = tuple(workspace.policy.document["lint"]["contract_tables"])
    url = None
    if request.autogenerate:
        first = next(iter(workspace.config.environments))
        url = workspace.target(first).migration_url()
    path = workspace.runner.new_revision(replace(request, heads=heads, contract_tables=globs), url)
    fresh = workspace.scripts.reread()
    revision = next(rev for rev, found in fresh.revisions.items() if found.path == path)
    return record_created(replace(workspace, scripts=fresh), revision, via="new")


def sections(request: NewRevision, *, promised: bool | None) -> Iterator[Section]:
    """What the docstring of the new script needs. promised: whether it touches a table of the contract; None where
    its operations are yet to be written. A merge changes nothing, so that nothing is asked of it."""
    merge = len(request.heads) > 1
    if request.rationale or not merge:
        yield Section("Rationale", request.rationale or WHY, bool(request.rationale), ("why",))
    if promised:
        yield Section("Contract mapping", PROMISED)
    elif promised is None and request.contract_tables and not merge:
        yield Section("Contract mapping", PERHAPS.format(", ".join(request.contract_tables)))
    if request.rollback or not merge:
        yield Section("Rollback", request.rollback or BACK, bool(request.rollback))


def _parents(workspace: Workspace, text: str) -> tuple[str, ...]:
    if text == "heads":
        return workspace.scripts.graph.heads()
    return (text if "@" in text else resolve_one(workspace, text),)


def _require_texts(request: NewRevision) -> None:
    """All of them become source code."""
    if not request.message.strip():
        raise UsageError("the message is empty", hint='migrate-flow new -m "what changes"', where="-m")
    texts = {"-m": request.message, "--rationale": request.rationale, "--rollback": request.rollback}
    for option, text in texts.items():
        if '"""' in text or "'''" in text:
            raise UsageError("three quotes in a row would end the docstring", hint="use other quotes", where=option)
        if safe(text, lines=True) != text:
            shown = safe(text, lines=True)
            raise UsageError(
                f"the text holds characters that nobody sees: {shown}", hint="leave them out", where=option
            )
