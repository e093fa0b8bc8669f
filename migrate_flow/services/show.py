"""All about one migration: what it is, what it would run, what was said of it, and where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate_flow.core.evidence import Evidence, evidence_of
from migrate_flow.services.changes import changed_since
from migrate_flow.services.content import manifest_here, resolve_one, risks_of, stored_script
from migrate_flow.services.contributors import contribution, unknown_notices
from migrate_flow.services.evidence import findings_of, rehearsal_of
from migrate_flow.services.plan import stored_sql
from migrate_flow.services.schema import between
from migrate_flow.services.status import Row, row_of

if TYPE_CHECKING:
    from migrate_flow.core.finding import Finding
    from migrate_flow.core.rehearsal import Rehearsal
    from migrate_flow.core.revision import Manifest
    from migrate_flow.core.snapshot import Difference
    from migrate_flow.services.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry without what it says, which takes 10 MB where it adopts thousands of revisions."""

    seq: int
    kind: str
    at: str
    actor: str
    environment: str | None


@dataclass(frozen=True)
class Shown:
    """sql: (dialect, direction, text or None, why it is not rendered). changes: since somebody last vouched for it.
    evidence: of checks of these bytes. findings: of the newest lint. rehearsed: the newest on each dialect. changed:
    the schema, by environment, or why that can't be told."""

    row: Row
    doc: str
    source: str
    risks: tuple[str, ...]
    sql: tuple[tuple[str, str, str | None, str], ...]
    entries: tuple[Listed, ...]
    changes: tuple[str, ...]
    evidence: Evidence
    findings: tuple[Finding, ...]
    rehearsed: tuple[Rehearsal, ...]
    changed: Mapping[str, tuple[Difference, ...] | str]
    notices: tuple[str, ...]


def show(workspace: Workspace, text: str) -> Shown:
    """Raises ScriptError for an unknown REV."""
    _ = workspace.history  # first: a fold needs much memory for a while, which the scripts use again afterwards
    revision = resolve_one(workspace, text)
    manifest = manifest_here(workspace, revision)
    row = row_of(workspace, revision, manifest)
    record = workspace.history.record(revision)
    found = workspace.scripts.revisions.get(revision)
    source = manifest.script.content if manifest else stored_script(workspace, record) or b""
    evidence = evidence_of(record, row.standing.manifest)
    dialects = sorted({rules.dialect for rules in workspace.policy.environments.values()})
    return Shown(
        row=row,
        doc=found.doc if found else "",
        source=source.decode("utf-8", "replace"),
        risks=risks_of(workspace, revision, manifest),
        sql=tuple(
            (dialect, direction, *stored_sql(workspace, revision, row.standing.manifest, dialect, direction))
            for dialect in dialects
            for direction in ("upgrade", "downgrade")
        ),
        entries=tuple(_listed(workspace, record.seqs)),
        changes=changed_since(workspace, revision),
        evidence=evidence,
        findings=findings_of(workspace, evidence),
        rehearsed=tuple(one for dialect in dialects if (one := rehearsal_of(workspace, evidence, dialect)) is not None),
        changed=_changed(workspace, row),
        notices=_notices(workspace, row, manifest),
    )


def _listed(workspace: Workspace, seqs: Sequence[int]) -> Iterator[Listed]:
    for entry in workspace.book.ledger.each(sorted(set(seqs))):
        yield Listed(entry.seq, entry.kind, entry.at, entry.actor, entry.environment)


def _changed(workspace: Workspace, row: Row) -> dict[str, tuple[Difference, ...] | str]:
    """What each application did to the schema: from the snapshots before and after it."""
    ran = {name: found for name, found in row.applied.items() if found and found.attempt and found.stands}
    entries = workspace.book.entries([seq for found in ran.values() for seq in (found.stored, found.seq)])
    schemas = {entry.seq: entry.predicate.get("schema", {}) for entry in entries}
    return {name: between(workspace, schemas[found.stored], schemas[found.seq]) for name, found in ran.items()}


def _notices(workspace: Workspace, row: Row, manifest: Manifest | None) -> tuple[str, ...]:
    """What git shows and the ledger does not know yet."""
    found, known = contribution(workspace, manifest), row.standing.contributors
    fresh = [f"{why}; no entry says so yet" for person, why in found.people.items() if known and person not in known]
    return (*fresh, *unknown_notices(tuple(sorted({*found.unknown, *row.standing.unknown_authors}))))
