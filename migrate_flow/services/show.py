"""All about one migration: what it is, what it would run, what was said of it, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass

from migrate_flow.core.entry import Entry
from migrate_flow.core.revision import Manifest
from migrate_flow.services.content import manifest_here, resolve_one, stored_script, traits_of
from migrate_flow.services.plan import stored_sql
from migrate_flow.services.status import Row, row_of
from migrate_flow.services.workspace import Workspace


@dataclass(frozen=True)
class Shown:
    """sql: (dialect, direction, text or None, why there is none). changes: what changed since it was attested."""

    row: Row
    doc: str
    source: str
    risks: tuple[str, ...]
    sql: tuple[tuple[str, str, str | None, str], ...]
    entries: tuple[Entry, ...]
    changes: tuple[str, ...]


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
        changes=changes_since(workspace, revision, manifest),
    )


def changes_since(workspace: Workspace, revision: str, manifest: Manifest | None) -> tuple[str, ...]:
    """What differs between the bytes last self-reviewed and those here, in sentences."""
    said = workspace.history.record(revision).last_self_review()
    if said is None or manifest is None or said.manifest == manifest.digest:
        return ()
    before = {subject.name: subject.sha256 for subject in said.subjects}
    after = {file.path: file.sha256 for file in manifest.files}
    found = [f"{path} changed" for path in after if path in before and before[path] != after[path]]
    found += [f"{path} is new" for path in after if path not in before]
    found += [f"{path} is gone" for path in before if path not in after]
    if said.fields.get("behaviour") == manifest.behaviour:
        found.append("in the script itself only comments, docstrings or formatting differ")
    parents = list(workspace.scripts.revisions[revision].down_revision)
    if parents != said.fields.get("down_revision"):
        old = ", ".join(said.fields.get("down_revision", ())) or "nothing"
        found.append(f"down_revision was {old}, is {', '.join(parents) or 'nothing'}")
    return tuple(found)
