"""What entries say of a script: its sealed bytes as subjects, and the fields that describe them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from migrate_flow.core.entry import Subject
from migrate_flow.core.outline import Outline
from migrate_flow.core.outline import manifest_traits as manifest_traits
from migrate_flow.core.standing import Standing, stand
from migrate_flow.core.traits import Traits, in_order, read_traits
from migrate_flow.errors import Refused, ScriptError, UsageError

if TYPE_CHECKING:
    from migrate_flow.core.history import Attestation, RevisionRecord
    from migrate_flow.core.revision import Manifest, Revision
    from migrate_flow.services.workspace import Workspace


def subjects(manifest: Manifest) -> list[Subject]:
    return [Subject(file.path, file.sha256) for file in manifest.files]


def describe(revision: Revision, manifest: Manifest) -> dict[str, Any]:
    """Fields that bind an entry to a script's bytes and to its place in the graph."""
    return {
        "revision": revision.id,
        "manifest": manifest.digest,
        "behaviour": manifest.behaviour,
        "modules": {file.path: file.module for file in manifest.files if file.module},
        "down_revision": list(revision.down_revision),
        "depends_on": list(revision.depends_on),
        "branch_labels": list(revision.branch_labels),
        "message": revision.message,
    }


def resolve_one(workspace: Workspace, text: str) -> str:
    """One revision, from this checkout or from the ledger. Raises ScriptError, UsageError."""
    try:
        found = workspace.scripts.graph.resolve(text)
    except ScriptError:
        if any(revision.startswith(text) for revision in workspace.scripts.revisions):
            raise  # ambiguous here: the ledger must not decide silently
        known = [revision for revision in workspace.history.revisions if revision.startswith(text)]
        if text in known or (len(known) == 1 and len(text) >= 4):
            return text if text in known else known[0]
        raise
    if len(found) != 1:
        names = ", ".join(found) or "nothing"
        raise UsageError(f"{text!r} means {names}; one revision is asked for", hint="name one of them")
    return found[0]


def header(workspace: Workspace, revision: str) -> Revision:
    """The revision in this checkout. Raises ScriptError if it is not here."""
    found = workspace.scripts.revisions.get(revision)
    if found is None:
        raise ScriptError(
            f"{revision} is not in this checkout", hint="check out the branch that holds it", where=revision
        )
    return found


def manifest_here(workspace: Workspace, revision: str) -> Manifest | None:
    """The script's manifest in this checkout; None if it is not here or can't be read."""
    if revision not in workspace.scripts.revisions:
        return None
    try:
        return workspace.scripts.manifest(revision)
    except ScriptError:
        return None


def stored_script(workspace: Workspace, record: RevisionRecord) -> bytes | None:
    """The bytes that the ledger last stored for a script."""
    stored = record.last_content()
    return workspace.book.ledger.artifact(stored.subjects[0].sha256) if stored else None


def traits_of(workspace: Workspace, revision: str, manifest: Manifest | Outline | None) -> Traits:
    if isinstance(manifest, Outline):
        return manifest.traits
    if manifest is not None:
        return manifest_traits(manifest)
    source = stored_script(workspace, workspace.history.record(revision))
    return read_traits(source) if source is not None else Traits()


def risks_of(workspace: Workspace, revision: str, manifest: Manifest | Outline | None) -> tuple[str, ...]:
    """What the syntax tree shows, what rehearsals of these bytes showed, and the globs that its tables match."""
    record, traits = workspace.history.record(revision), traits_of(workspace, revision, manifest)
    stored = record.last_content()
    digest = manifest.digest if manifest else stored.manifest if stored else ""
    if not (record.checks or record.self_reviews):
        return workspace.policy.risks(traits)
    from migrate_flow.core.evidence import evidence_of

    seen = evidence_of(record, digest).risks
    return workspace.policy.risks(replace(traits, risks=in_order({*traits.risks, *seen})) if seen else traits)


def standing_of(
    workspace: Workspace,
    revision: str,
    manifest: Manifest | Outline | None,
    approvals_after: int = 0,
    also: Mapping[str, str] = MappingProxyType({}),
) -> Standing:
    """manifest: an outline only where the standing is shown, and decides nothing.

    approvals_after: approvals up to this position of the ledger don't count (after a rollback). also: contributors
    whom no entry names yet, each with the reason.
    """
    policy = workspace.policy
    standing = stand(
        workspace.history.record(revision),
        manifest.digest if manifest else None,
        policy,
        risks=risks_of(workspace, revision, manifest),
        now=workspace.book.latest(),
        approvals_after=approvals_after,
        also=also,
    )
    if workspace.history.revoked:
        able = workspace.able
        standing = replace(standing, may_review=able(standing.may_review), may_approve=able(standing.may_approve))
    said = workspace.history.record(revision).last_self_review()
    if not standing.stale or manifest is None or said is None:
        return standing
    from migrate_flow.services.changes import difference

    what = difference(said, manifest, workspace.scripts.revisions[revision])
    return replace(standing, stale=f"{standing.stale}: {what}")


def same_bytes(workspace: Workspace, revision: str, said: Attestation) -> None:
    """Raises Refused where this checkout holds other bytes than the attestation speaks of."""
    manifest = manifest_here(workspace, revision)
    if manifest is not None and manifest.digest != said.manifest:
        raise Refused(
            f"this checkout holds other bytes: self-reviewed {said.manifest[:19]}…, here {manifest.digest[:19]}…",
            hint=f"git pull; or ask {said.actor} for: migrate-flow self-review {revision}",
            where=said.subjects[0].name,
        )
