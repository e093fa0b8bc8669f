"""The author vouches for the script's bytes as they are now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from migrate_flow.core.canonical import sha256
from migrate_flow.core.entry import Draft, Kind
from migrate_flow.core.revision import Manifest
from migrate_flow.core.standing import State
from migrate_flow.errors import Refused, UsageError
from migrate_flow.services.content import describe, header, manifest_traits, resolve_one, standing_of, subjects
from migrate_flow.services.contributors import contribution, contribution_fields, require_known_authors
from migrate_flow.services.ports import RenderedSql
from migrate_flow.services.workspace import Workspace


@dataclass(frozen=True, slots=True)
class SelfReviewed:
    """seq: the entry's position. sql: by dialect. notices: about its authors."""

    revision: str
    seq: int
    manifest: str
    risks: tuple[str, ...]
    sql: Mapping[str, RenderedSql]
    again: bool
    notices: tuple[str, ...] = ()


def checklist(workspace: Workspace) -> tuple[str, ...]:
    return tuple(workspace.config.project.checklist)


def self_review(
    workspace: Workspace, text: str, *, attested: bool = True, answers: Mapping[str, bool] | None = None
) -> SelfReviewed:
    """attested: whether the author said yes to the checklist. Raises Refused, UsageError, ScriptError."""
    workspace.require_current_policy()
    revision = resolve_one(workspace, text)
    found = header(workspace, revision)
    manifest = workspace.scripts.manifest(revision)
    standing = standing_of(workspace, revision, manifest)
    if standing.state in (State.UNTRACKED, State.GRANDFATHERED):
        raise Refused(f"{revision} is not tracked", hint=f"migrate-flow track {revision}", where=found.path)
    unanswered = [item for item in checklist(workspace) if not (answers or {}).get(item, attested)]
    if unanswered:
        raise UsageError(
            f"the checklist asks: {'; '.join(unanswered)}",
            hint=f"migrate-flow self-review {revision} --attest",
            where="[project] checklist",
        )
    signer = workspace.signer()
    authors = contribution(workspace, manifest)
    require_known_authors(workspace.policy, revision, authors.unknown)
    rendered = {dialect: workspace.runner.render(manifest, dialect) for dialect in _dialects(workspace)}
    texts, artifacts = _artifacts(rendered)
    digests = workspace.runner.environment_digests()
    fields: dict[str, Any] = {
        **describe(found, manifest), **contribution_fields(authors, [signer.person]),
        "sql": texts, "environment_digests": digests,
    }  # fmt: skip
    if checklist(workspace):
        fields["checklist"] = [{"item": item, "answer": "yes"} for item in checklist(workspace)]
    draft = Draft(Kind.SELF_REVIEWED, subjects(manifest), fields, [*_contents(manifest), *artifacts])
    entry = workspace.book.append(draft)
    risks = workspace.policy.risks(manifest_traits(manifest))
    again = standing.self_review is not None
    return SelfReviewed(revision, entry.seq, manifest.digest, risks, rendered, again, authors.notices)


def _contents(manifest: Manifest) -> list[bytes]:
    return [file.content for file in manifest.files]


def _dialects(workspace: Workspace) -> list[str]:
    return sorted({rules.dialect for rules in workspace.policy.environments.values()})


def _artifacts(rendered: Mapping[str, RenderedSql]) -> tuple[dict[str, Any], list[bytes]]:
    """Fields that name the stored SQL by digest, and the stored bytes."""
    fields: dict[str, Any] = {}
    artifacts: list[bytes] = []
    for dialect, sql in rendered.items():
        fields[dialect] = {"problem": sql.problem} if sql.problem else {}
        for direction, text in (("upgrade", sql.upgrade), ("downgrade", sql.downgrade)):
            if text is not None:
                content = text.encode()
                artifacts.append(content)
                fields[dialect][direction] = sha256(content)
    return fields, artifacts
