"""Records `created` for scripts that the ledger does not know yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate_flow.core.entry import Draft, Kind
from migrate_flow.core.standing import State
from migrate_flow.errors import Refused
from migrate_flow.services.content import describe, header, resolve_one, standing_of, subjects
from migrate_flow.services.contributors import contribution, created_fields

if TYPE_CHECKING:
    from migrate_flow.services.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Tracked:
    """seq: the entry's position; 0 for a revision that was tracked already. notices: about its authors."""

    revision: str
    path: str
    seq: int
    grandfathered: bool = False
    notices: tuple[str, ...] = ()


def track(workspace: Workspace, revisions: Sequence[str]) -> list[Tracked]:
    """Without revisions: every untracked script of the checkout. Raises Refused, UsageError, IdentityError.

    A grandfathered script is tracked only where it is named: it then goes through the whole flow.
    """
    workspace.require_current_policy()
    if revisions:
        chosen = [resolve_one(workspace, text) for text in revisions]
    else:
        order = workspace.scripts.graph.order()
        chosen = [rev for rev in order if _state(workspace, rev) is State.UNTRACKED]
    if not chosen:
        return []
    workspace.signer()
    return [record_created(workspace, revision, via="track") for revision in chosen]


def record_created(workspace: Workspace, revision: str, *, via: str) -> Tracked:
    """One `created` entry, with the script's bytes; nothing if there is one."""
    found = header(workspace, revision)
    record = workspace.history.record(revision)
    if any(not said.flaw for said in record.created):
        return Tracked(revision, found.path, 0)
    manifest = workspace.scripts.manifest(revision)
    authors = contribution(workspace, manifest)
    draft = Draft(
        Kind.MIGRATION_CREATED,
        subjects(manifest),
        {**describe(found, manifest), **created_fields(authors, workspace.actor), "via": via},
        [file.content for file in manifest.files],
    )
    entry = workspace.book.append(draft)
    if any(said.seq == entry.seq for said in workspace.history.flawed):
        raise Refused("the entry does not count", hint="migrate-flow ledger verify", where=f"entry {entry.seq}")
    return Tracked(revision, found.path, entry.seq, bool(record.adopted), authors.notices)


def _state(workspace: Workspace, revision: str) -> State:
    return standing_of(workspace, revision, None).state
