"""What was checked, put into entries, and what entries already hold of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from migrate_flow.core.ancestry import Ancestry
from migrate_flow.core.canonical import sha256
from migrate_flow.core.entry import Draft, Kind
from migrate_flow.core.evidence import Evidence, RehearsalEvidence, ancestry, evidence_of, major
from migrate_flow.core.finding import Finding, Severity
from migrate_flow.core.rehearsal import Rehearsal, from_document, to_document
from migrate_flow.errors import Refused, ScriptError
from migrate_flow.services.content import subjects

if TYPE_CHECKING:
    from migrate_flow.core.revision import Manifest
    from migrate_flow.services.lint import Linted
    from migrate_flow.services.rehearse import Rehearsed
    from migrate_flow.services.workspace import Workspace

SCHEMA = "migrate-flow/evidence/1"
LONGEST_ERROR = 1000


@dataclass(frozen=True, slots=True)
class Checked:
    """What both said."""

    linted: Linted
    rehearsed: Rehearsed

    @property
    def ok(self) -> bool:
        return self.linted.ok and self.rehearsed.ok


@dataclass(frozen=True, slots=True)
class Recorded:
    """again: an entry said the same before, so that none was added."""

    revision: str
    seq: int
    again: bool = False


def require_recordable(workspace: Workspace, revisions: Iterable[str]) -> None:
    """Raises Refused where one of them is not in the flow: evidence of it would be about nothing."""
    unknown = [revision for revision in revisions if not workspace.history.record(revision).created]
    if unknown:
        names = " ".join(unknown)
        raise Refused(f"not tracked: {', '.join(unknown)}", hint=f"migrate-flow track {names}")


def record(workspace: Workspace, checked: Checked) -> tuple[Recorded, ...]:
    """One entry for each revision; none where the newest ones say the same. Raises ScriptError, LedgerError."""
    found = []
    below = _below(checked.rehearsed, workspace)
    for revision in checked.linted.revisions:
        manifest = workspace.scripts.manifest(revision)
        fields, reports = fields_of(checked, revision, manifest, workspace, below)
        known = _said_already(workspace, revision, manifest, fields)
        if known:
            found.append(Recorded(revision, known, again=True))
            continue
        said = {"revision": revision, "manifest": manifest.digest, **fields, "versions": workspace.runner.versions()}
        contents = [file.content for file in manifest.files]
        entry = workspace.book.append(Draft(Kind.CHECKED, subjects(manifest), said, [*contents, *reports]))
        found.append(Recorded(revision, entry.seq))
    return tuple(found)


def fields_of(
    checked: Checked, revision: str, manifest: Manifest, workspace: Workspace, below: Ancestry | None = None
) -> tuple[dict[str, Any], list[bytes]]:
    """The fields of evidence, and the reports that they name. below: of all that was rehearsed, where many are asked
    for. Raises ScriptError where other bytes were checked."""
    rehearsals = [one for one in checked.rehearsed.rehearsals if one.revision == revision]
    read = checked.linted.read.get(manifest.script.path, manifest.script.sha256)
    if read != manifest.script.sha256 or any(one.manifest != manifest.digest for one in rehearsals):
        raise changed_meanwhile(manifest)
    lint, findings = _lint_fields(checked.linted, revision)
    ancestors = (below or _below(checked.rehearsed, workspace)).digest(revision) if rehearsals else ""
    fields: dict[str, Any] = {"lint": lint, "rehearsals": []}
    reports = [findings]
    for one in rehearsals:
        report = json.dumps({"schema": SCHEMA, "rehearsal": to_document(one)}, sort_keys=True).encode()
        reports.append(report)
        fields["rehearsals"].append(_rehearsal_fields(one, ancestors, report))
    return fields, reports


def changed_meanwhile(manifest: Manifest) -> ScriptError:
    where = manifest.script.path
    return ScriptError("the script was changed while it was checked", hint="run the command again", where=where)


def _lint_fields(linted: Linted, revision: str) -> tuple[dict[str, Any], bytes]:
    found = [finding for finding in linted.findings if finding.revision == revision]
    report = json.dumps({"schema": SCHEMA, "findings": [asdict(finding) for finding in found]}, sort_keys=True).encode()
    standing = [finding for finding in found if not finding.waived]
    fields: dict[str, Any] = {
        "rule_set": linted.rule_set,
        "errors": _count(standing, Severity.ERROR),
        "warnings": _count(standing, Severity.WARNING),
        "waived": len(found) - len(standing),
        "report": sha256(report),
    }
    if linted.squawk:
        fields["squawk"] = linted.squawk
    return fields, report


def _count(findings: Iterable[Finding], severity: Severity) -> int:
    return sum(finding.severity is severity for finding in findings)


def _rehearsal_fields(one: Rehearsal, below: str, report: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "dialect": one.dialect,
        "server": one.server,
        "ancestry": below,
        "upgrade": bool(one.upgrade),
        "report": sha256(report),
    }
    if one.grade:
        fields["grade"] = one.grade.value
    if one.lost:
        fields["lost"] = list(one.lost)
    if one.error:
        fields["error"] = one.error[:LONGEST_ERROR]
    return fields


def _below(rehearsed: Rehearsed, workspace: Workspace) -> Ancestry:
    return Ancestry(workspace.scripts.graph, rehearsed.behaviours.__getitem__)


def ancestry_here(workspace: Workspace, revision: str) -> str:
    """Of the ancestors as this checkout has them. Raises ScriptError."""
    above = workspace.scripts.graph.ancestors([revision])
    return ancestry({one: workspace.scripts.manifest(one).behaviour for one in above})


def _said_already(workspace: Workspace, revision: str, manifest: Manifest, fields: Mapping[str, Any]) -> int:
    """Position of the newest evidence of these bytes, if it all says the same."""
    known = evidence_of(workspace.history.record(revision), manifest.digest)
    lint = known.lint[-1] if known.lint else None
    if lint is None or any(
        fields["lint"].get(name, "") != getattr(lint, name)
        for name in ("rule_set", "errors", "warnings", "waived", "squawk")
    ):
        return 0
    seqs = [lint.seq]
    for one in fields["rehearsals"]:
        same = [
            old
            for old in known.newest_rehearsals(one["dialect"], [one["ancestry"]])
            if old.major == major(one["server"]) and old.grade == one.get("grade", "")
            and old.lost == tuple(one.get("lost", ()))
        ]  # fmt: skip
        if not same:
            return 0
        seqs.append(same[0].seq)
    return max(seqs)


def known_good(workspace: Workspace, revision: str, manifest: Manifest, dialect: str) -> RehearsalEvidence | None:
    """A recorded rehearsal of these bytes on these ancestors, if nothing recorded speaks against it."""
    known = evidence_of(workspace.history.record(revision), manifest.digest)
    if not any(one.dialect == dialect for one in known.rehearsals):
        return None
    newest = known.newest_rehearsals(dialect, [ancestry_here(workspace, revision)])
    return newest[-1] if newest and all(one.undone for one in newest) else None


def rehearsal_of(workspace: Workspace, evidence: Evidence, dialect: str) -> Rehearsal | None:
    """The newest recorded rehearsal on a dialect, whole; None where there is none, or its report is lost."""
    newest = next((one for one in reversed(evidence.rehearsals) if one.dialect == dialect and one.report), None)
    content = workspace.book.ledger.artifact(newest.report.removeprefix("sha256:")) if newest else None
    if content is None:
        return None
    try:
        return from_document(json.loads(content)["rehearsal"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return None  # whoever signed it, signed something else


def findings_of(workspace: Workspace, evidence: Evidence) -> tuple[Finding, ...]:
    """What the newest recorded lint found; nothing where there is none, or its report is lost."""
    newest = evidence.lint[-1] if evidence.lint else None
    content = workspace.book.ledger.artifact(newest.report.removeprefix("sha256:")) if newest else None
    if content is None:
        return ()
    try:
        return tuple(
            Finding(**{**said, "severity": Severity(said["severity"])}) for said in json.loads(content)["findings"]
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return ()  # whoever signed it, signed something else
