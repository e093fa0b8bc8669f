"""The static rules and a rehearsal of the same revisions."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from migrate_flow.core.evidence import rehearsed_on
from migrate_flow.lint.recorded import SentSql
from migrate_flow.lint.rules.raw_sql_unknown import RULE as RAW_SQL_UNKNOWN
from migrate_flow.services.evidence import Checked, Recorded, record, require_recordable
from migrate_flow.services.lint import Asked, Linted, Project, again, lint, run
from migrate_flow.services.rehearse import Effort, Rehearsed, Rehearser, rehearse

if TYPE_CHECKING:
    from migrate_flow.core.policy import Policy
    from migrate_flow.core.rehearsal import Rehearsal
    from migrate_flow.services.progress import Progress
    from migrate_flow.services.workspace import Workspace


@dataclass(frozen=True)
class Checks:
    """What both need of the world."""

    project: Project
    rehearser: Rehearser

    def these(
        self,
        revisions: Sequence[str],
        policy: Policy,
        effort: Effort,
        dialects: Sequence[str] | None = None,
        known: Sequence[Rehearsal] = (),
    ) -> Generator[Progress, None, Checked]:
        """By the rules of this policy. dialects: to rehearse on; default, those that the policy asks for. known:
        rehearsals that need not run again, for what they saw sent.

        Raises ConfigError, ScriptError, TargetError, UsageError.
        """
        linted = run(self.project, Asked(tuple(revisions), policy.document["lint"], broken=False))
        return (yield from self.rehearsed(linted, policy, effort, dialects, known))

    def rehearsed(
        self,
        linted: Linted,
        policy: Policy,
        effort: Effort,
        dialects: Sequence[str] | None = None,
        known: Sequence[Rehearsal] = (),
    ) -> Generator[Progress, None, Checked]:
        """What was linted, rehearsed as well."""
        scripts = self.project.scripts
        chosen = rehearsed_on(policy) if dialects is None else dialects
        found = yield from rehearse(policy, scripts, self.rehearser, linted.revisions, effort, chosen)
        doubtful = {finding.revision for finding in linted.findings if finding.rule == RAW_SQL_UNKNOWN.slug}
        ran = (*found.rehearsals, *known)
        sent = {revision: sent_by(ran, revision) for revision in linted.revisions if revision in doubtful}
        if any(sent.values()):
            linted = again(self.project, linted, policy.document["lint"], sent)
        return Checked(settled(linted, found), found)


def check(
    checks: Checks,
    texts: Sequence[str],
    since: str,
    workspace: Callable[[], Workspace],
    effort: Effort,
) -> Generator[Progress, None, Checked]:
    """Which revisions: as `lint` has it. A file that can't be used is a finding, and then nothing is rehearsed.

    Raises UsageError, ScriptError, ConfigError, LedgerError, TargetError.
    """
    linted = lint(checks.project, texts, since, workspace)
    if checks.project.scripts.problems:
        return Checked(linted, Rehearsed((), {}))
    return (yield from checks.rehearsed(linted, checks.project.config.policy, effort))


def check_and_record(
    checks: Checks, texts: Sequence[str], since: str, workspace: Workspace, effort: Effort
) -> Generator[Progress, None, tuple[Checked, tuple[Recorded, ...]]]:
    """As `check`, by the policy in force, and signed into the ledger, whatever it found.

    Raises Refused and what `check` and signing raise, before anything is run where that can be told.
    """
    workspace.require_current_policy()
    workspace.signer()
    found = lint(checks.project, texts, since, lambda: workspace, workspace.policy)
    require_recordable(workspace, found.revisions)
    checked = yield from checks.rehearsed(found, workspace.policy, effort)
    return checked, record(workspace, checked)


def sent_by(rehearsals: Sequence[Rehearsal], revision: str) -> list[SentSql]:
    """What its upgrade sent, on all dialects."""
    return [
        SentSql(one.text, one.line, one.in_block)
        for rehearsal in rehearsals
        if rehearsal.revision == revision and rehearsal.sent
        for one in rehearsal.sent.get("upgrade", ())
    ]


def settled(linted: Linted, rehearsed: Rehearsed) -> Linted:
    """Without what only running could tell, where it was run and every dialect restored the schema."""
    tried = {one.revision for one in rehearsed.rehearsals}
    restored = tried - {one.revision for one in rehearsed.rehearsals if not one.ok}
    kept = tuple(
        finding
        for finding in linted.findings
        if not (finding.needs_rehearsal and finding.rule in linted.settled_by_running and finding.revision in restored)
    )
    if answered := len(linted.findings) - len(kept):
        what = "1 finding that needed a rehearsal is" if answered == 1 else f"{answered} findings that needed one are"
        return replace(linted, findings=kept, notes=(*linted.notes, f"{what} settled: the schema was restored"))
    return linted
