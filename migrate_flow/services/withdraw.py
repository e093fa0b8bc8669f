"""The author takes a migration out of the flow; a signer takes back one attestation of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate_flow.core.entry import Draft, Kind
from migrate_flow.errors import Refused, UsageError
from migrate_flow.services.content import manifest_here, resolve_one, standing_of
from migrate_flow.services.review import Attested, ask, require_comment

if TYPE_CHECKING:
    from migrate_flow.core.history import Attestation
    from migrate_flow.services.workspace import Workspace


def withdraw(workspace: Workspace, text: str, why: str) -> Attested:
    """Raises Refused for somebody else's migration, and for one that stands applied somewhere."""
    workspace.require_current_policy()
    require_comment(why, needed=True)
    revision = resolve_one(workspace, text)
    signer = workspace.signer()
    standing = standing_of(workspace, revision, manifest_here(workspace, revision))
    if signer.person not in standing.contributors:
        raise Refused(
            f"{signer.person} contributed nothing to {revision}: its author withdraws it",
            hint=ask(tuple(sorted(standing.contributors)), f"withdraw {revision} -m WHY"),
        )
    places = [
        name
        for name, environment in workspace.history.environments.items()
        if any(target.stands(revision) for target in environment.targets.values())
    ]
    if places:
        raise Refused(
            f"{revision} stands in {', '.join(places)}",
            hint=f"migrate-flow rollback --env {places[-1]} --to PARENT -m WHY, then withdraw it",
        )
    record = workspace.history.record(revision)
    stored = record.last_content()
    if stored is None:
        raise Refused(f"{revision} is not tracked: there is nothing to withdraw", hint="migrate-flow status")
    fields = {"revision": revision, "manifest": stored.manifest, "comment": why}
    entry = workspace.book.append(Draft(Kind.WITHDRAWN, stored.subjects, fields))
    after = standing_of(workspace, revision, manifest_here(workspace, revision))
    return Attested(revision, entry.seq, signer.person, "withdrawn", after)


def revoke(workspace: Workspace, seq: int, why: str) -> Attested:
    """Raises UsageError for a position that holds no attestation, Refused for somebody else's."""
    workspace.require_current_policy()
    require_comment(why, needed=True)
    signer = workspace.signer()
    said = _attestation(workspace, seq)
    if said.actor != signer.person:
        raise Refused(
            f"entry {seq} was signed by {said.actor}: only they take it back",
            hint=ask((said.actor,), f"revoke {seq} -m WHY"),
        )
    if said.flaw:
        raise Refused(f"entry {seq} does not count as it is: {said.flaw}", hint="migrate-flow show " + said.revision)
    fields = {"revision": said.revision, "manifest": said.manifest, "of": seq, "comment": why}
    entry = workspace.book.append(Draft(Kind.REVOKED, said.subjects, fields))
    after = standing_of(workspace, said.revision, manifest_here(workspace, said.revision))
    return Attested(said.revision, entry.seq, signer.person, f"entry {seq} taken back", after)


def _attestation(workspace: Workspace, seq: int) -> Attestation:
    found = (record.attestation(seq) for record in workspace.history.revisions.values())
    said = next(filter(None, found), None)
    if said is None:
        raise UsageError(
            f"entry {seq} is no self-review, review, approval or waiver", hint="migrate-flow log", where="SEQ"
        )
    return said
