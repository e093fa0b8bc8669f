"""All about one migration: what it is, what it would run, what was said of it, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass

from migrate_flow.core.entry import Entry
from migrate_flow.core.revision import Manifest
from migrate_flow.services.changes import changed_since
from migrate_flow.services.content import manifest_here, resolve_one, stored_script, traits_of
from migrate_flow.services.contributors import contribution, unknown_notices
from migrate_flow.services.plan import stored_sql
from migrate_flow.services.status import Row, row_of
from migrate_flow.services.workspace import Workspace


@dataclass(frozen=True)
class Shown:
    """sql: (dialect, direction, text or None, why there is none). changes: since somebody last vouched for it."""

    row: Row
    doc: str
    source: str
    risks: tuple[str, ...]
    sql: tuple[tuple[str, str, str | None, str], ...]
    entries: tuple[Entry, ...]
    changes: tuple[str, ...]
    notices: tuple[str, ...]


def show(workspace: Workspace, text: str) -> Shown:
    """Raises ScriptError for an unknown REV."""
    revision = resolve_one(workspace, text)
    manifest = manifest_here(workspace, revision)
    row = row_of(workspace, revision)
    record = workspace.history.record(revision)
    found = workspace.scripts.revisions.get(revision)
    source = manifest.script.content if manifest else stored_script(workspace, record) or b""
    dialects = sorted({rules.dialect for rules in workspace.policy.environments.values()})
    return Shown(
        row=row,
        doc=found.doc if found else "",
        source=source.decode("utf-8", "replace"),
        risks=workspace.policy.risks(traits_of(workspace, revision, manifest)),
        sql=tuple(
            (dialect, direction, *stored_sql(workspace, revision, row.standing.manifest, dialect, direction))
            for dialect in dialects
            for direction in ("upgrade", "downgrade")
        ),
        entries=tuple(workspace.book.entries(record.seqs)),
        changes=changed_since(workspace, revision),
        notices=_notices(workspace, row, manifest),
    )


def _notices(workspace: Workspace, row: Row, manifest: Manifest | None) -> tuple[str, ...]:
    """What git shows and the ledger does not know yet."""
    found, known = contribution(workspace, manifest), row.standing.contributors
    fresh = [f"{why}; no entry says so yet" for person, why in found.people.items() if known and person not in known]
    return (*fresh, *unknown_notices(tuple(sorted({*found.unknown, *row.standing.unknown_authors}))))
