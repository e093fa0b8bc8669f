"""The author vouches for the script's bytes as they are now: the checks are run first, and must have found nothing."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from migrate_flow.core.canonical import sha256
from migrate_flow.core.entry import Draft, Kind
from migrate_flow.core.evidence import RehearsalEvidence, evidence_of, rehearsed_on
from migrate_flow.core.standing import State
from migrate_flow.errors import ConfigError, Refused, UsageError
from migrate_flow.services.content import describe, header, resolve_one, risks_of, standing_of, subjects
from migrate_flow.services.contributors import Contribution, contribution, contribution_fields, require_known_authors
from migrate_flow.services.evidence import Checked, changed_meanwhile, fields_of, known_good, rehearsal_of

if TYPE_CHECKING:
    from migrate_flow.core.revision import Manifest, Revision
    from migrate_flow.services.check import Checks
    from migrate_flow.services.ports import RenderedSql
    from migrate_flow.services.progress import Progress
    from migrate_flow.services.rehearse import Effort
    from migrate_flow.services.workspace import Workspace


@dataclass(frozen=True)
class Examined:
    """A script that its author could vouch for, and what the checks say. known: rehearsals that entries hold already,
    so that they were not run again."""

    header: Revision
    manifest: Manifest
    authors: Contribution
    again: bool
    checked: Checked
    known: tuple[RehearsalEvidence, ...] = ()

    @property
    def revision(self) -> str:
        return self.header.id

    @property
    def ok(self) -> bool:
        return self.checked.ok


@dataclass(frozen=True, slots=True)
class SelfReviewed:
    """seq: the entry's position. sql: by dialect. notices: about its authors."""

    seq: int
    risks: tuple[str, ...]
    sql: Mapping[str, RenderedSql]
    notices: tuple[str, ...] = ()


def checklist(workspace: Workspace) -> tuple[str, ...]:
    return tuple(workspace.config.project.checklist)


def examine(workspace: Workspace, checks: Checks, text: str, effort: Effort) -> Generator[Progress, None, Examined]:
    """Everything but the signature. Raises Refused, UsageError, ScriptError, ConfigError, TargetError."""
    workspace.require_current_policy()
    revision = resolve_one(workspace, text)
    found = header(workspace, revision)
    manifest = workspace.scripts.manifest(revision)
    standing = standing_of(workspace, revision, manifest)
    if standing.state in (State.UNTRACKED, State.GRANDFATHERED):
        raise Refused(f"{revision} is not tracked", hint=f"migrate-flow track {revision}", where=found.path)
    workspace.signer()
    authors = contribution(workspace, manifest)
    require_known_authors(workspace.policy, revision, authors.unknown)
    asked = rehearsed_on(workspace.policy)
    known = {dialect: one for dialect in asked if (one := known_good(workspace, revision, manifest, dialect))}
    try:
        missing = [dialect for dialect in asked if dialect not in known]
        evidence = evidence_of(workspace.history.record(revision), manifest.digest)
        ran = [run for dialect in known if (run := rehearsal_of(workspace, evidence, dialect))]
        checked = yield from checks.these([revision], workspace.policy, effort, missing, ran)
    except ConfigError as error:
        if not error.where.startswith("[rehearsal]"):
            raise
        other = f"let somebody who has one (CI) run: migrate-flow check {revision} --record"
        raise ConfigError(error.message, hint=f"{error.hint}; or {other}", where=error.where) from error
    return Examined(found, manifest, authors, standing.self_review is not None, checked, tuple(known.values()))


def require_answers(workspace: Workspace, revision: str, answers: Mapping[str, bool]) -> None:
    """answers: by item, whether the author said yes. Raises UsageError."""
    unanswered = [item for item in checklist(workspace) if not answers.get(item)]
    if unanswered:
        raise UsageError(
            f"the checklist asks: {'; '.join(unanswered)}",
            hint=f"migrate-flow self-review {revision} --attest",
            where="[project] checklist",
        )


def self_review(workspace: Workspace, examined: Examined, answers: Mapping[str, bool]) -> SelfReviewed:
    """answers: to the checklist. Raises Refused where the checks found something, UsageError, ScriptError."""
    revision, manifest, authors = examined.revision, examined.manifest, examined.authors
    require_answers(workspace, revision, answers)
    if not examined.ok:
        raise Refused(
            f"the checks refuse {revision}", hint=f"migrate-flow check {revision}", where=examined.header.path
        )
    if workspace.scripts.manifest(revision).digest != manifest.digest:  # by itself, or while its author was asked
        raise changed_meanwhile(manifest)
    signer = workspace.signer()
    rendered = {dialect: workspace.runner.render(manifest, dialect) for dialect in _dialects(workspace)}
    texts, artifacts = _artifacts(rendered)
    evidence, reports = fields_of(examined.checked, revision, manifest, workspace)
    fields: dict[str, Any] = {
        **describe(examined.header, manifest), **contribution_fields(authors, [signer.person]), **evidence,
        "sql": texts, "environment_digests": workspace.runner.environment_digests(),
        "versions": workspace.runner.versions(),
    }  # fmt: skip
    if checklist(workspace):
        fields["checklist"] = [{"item": item, "answer": "yes"} for item in checklist(workspace)]
    stored = [*(file.content for file in manifest.files), *artifacts, *reports]
    entry = workspace.book.append(Draft(Kind.SELF_REVIEWED, subjects(manifest), fields, stored))
    return SelfReviewed(entry.seq, risks_of(workspace, revision, manifest), rendered, authors.notices)


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
