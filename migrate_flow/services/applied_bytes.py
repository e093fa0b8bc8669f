"""Scripts as they were when they were applied: from this checkout where it holds them still, else from the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate_flow.core.behaviour import behaviour_digest
from migrate_flow.core.revision import Manifest, Revision, SealedFile
from migrate_flow.services.content import manifest_here

if TYPE_CHECKING:
    from migrate_flow.core.history import Application
    from migrate_flow.services.workspace import Workspace


def applied_header(workspace: Workspace, application: Application) -> Revision:
    """The revision's place in the graph as it was applied, whatever the checkout says of it now."""
    place, here = application.place, workspace.scripts.revisions.get(application.revision)
    recorded = {name: tuple(place.get(name, ())) for name in ("down_revision", "depends_on", "branch_labels")}
    if here is not None and all(getattr(here, name) == value for name, value in recorded.items()):
        return here
    path = here.path if here else _stored_paths(workspace, application)[0]
    return Revision(application.revision, **recorded, doc=place.get("message", ""), path=path)


def applied_manifest(workspace: Workspace, application: Application) -> Manifest | None:
    """The very bytes that ran; None if neither the checkout nor the ledger holds them."""
    here = manifest_here(workspace, application.revision)
    if here is not None and here.digest == application.manifest:
        return here
    modules = application.place.get("modules", {})
    files = []
    for path, sha256 in _stored_files(workspace, application):
        content = workspace.book.ledger.artifact(sha256)
        if content is None:
            return None
        files.append(SealedFile.seal(path, content, modules.get(path, "")))
    if not files:
        return None
    stored = Manifest(tuple(files), behaviour_digest(files[0].content))
    return stored if stored.digest == application.manifest else None


def _stored_paths(workspace: Workspace, application: Application) -> list[str]:
    return [path for path, _sha256 in _stored_files(workspace, application)] or [""]


def _stored_files(workspace: Workspace, application: Application) -> list[tuple[str, str]]:
    """(path, digest) of the script first, then of the modules that it imports, as the entry named them."""
    if "files" in application.place:
        return [(file["path"], file["sha256"]) for file in application.place["files"]]
    entries = workspace.book.entries([application.stored])
    subjects = entries[0].document["subject"] if entries else []
    return [(subject["name"], subject["digest"]["sha256"]) for subject in subjects]
