"""What would run in an environment, and everything that stands against it. Shows exactly what `apply` decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from migrate_flow.core.dialects import KINDS
from migrate_flow.core.evidence import evidence_of
from migrate_flow.core.plan import Plan, PlannedStep
from migrate_flow.errors import ScriptError
from migrate_flow.gates import Scope, judge
from migrate_flow.services.changes import Changes, other_surroundings
from migrate_flow.services.content import risks_of
from migrate_flow.services.contributors import unknown_notices
from migrate_flow.services.evidence import rehearsal_of
from migrate_flow.services.facts import Situation, asks_git, collect, conflicting_heads, grounds, heads_meant, look

if TYPE_CHECKING:
    from migrate_flow.core.facts import Facts
    from migrate_flow.core.rehearsal import Rehearsal
    from migrate_flow.core.revision import Manifest
    from migrate_flow.core.verdict import Decision
    from migrate_flow.services.workspace import Workspace

NO_SQL_YET = "not rendered yet: migrate-flow self-review renders it"


def plan(workspace: Workspace, environment: str, to: str = "head") -> Plan:
    """Raises UsageError, ScriptError, LedgerError; what stands against the plan is in the plan."""
    planned = plan_upgrade(workspace, look(workspace, environment), to)
    known = {step.revision: step.manifest for step in planned.steps}
    changes = Changes(workspace, list(known), known)
    # What changed around all of them is one notice of the plan, and not a line of each step.
    steps = [replace(step, changes=changes.since(step.revision, surroundings=False)) for step in planned.steps]
    return replace(planned, steps=tuple(with_locks(workspace, environment, steps)))


def with_locks(workspace: Workspace, environment: str, steps: Sequence[PlannedStep]) -> Iterator[PlannedStep]:
    """What a rehearsal saw locked, beside the size of those tables here."""
    dialect = workspace.rules(environment).dialect
    found = {
        step.revision: rehearsal.locks
        for step in steps
        if (rehearsal := recorded_rehearsal(workspace, step.revision, step.manifest.digest, dialect))
    }
    names = sorted({lock.relation for locks in found.values() for lock in locks})
    rows = workspace.target(environment).row_estimates(names) if names else {}
    for step in steps:
        locks = found.get(step.revision, ())
        yield replace(
            step, locks=locks, rows={lock.relation: rows[lock.relation] for lock in locks if lock.relation in rows}
        )


def plan_upgrade(workspace: Workspace, situation: Situation, to: str) -> Plan:
    pending = _pending(workspace, situation, to)
    if not workspace.scripts.confirm(pending):
        pending = _pending(workspace, situation, to)
    conflict = conflicting_heads(workspace, situation.applied, pending, to) if pending else ()
    manifests = {revision: workspace.scripts.manifest(revision) for revision in pending}
    if asks_git(situation.rules):
        situation.authors.read(manifests.values())
    steps: list[PlannedStep] = []
    earlier: set[str] = set()
    below = grounds(workspace, situation)
    unknown: set[str] = set()
    situation.behaviours.update({revision: manifest.behaviour for revision, manifest in manifests.items()})
    for revision, manifest in manifests.items():
        facts = collect(
            workspace, situation, revision, manifest, earlier=earlier, below=below, conflicting_heads=conflict
        )
        steps.append(step_of(workspace, facts, manifest, judge(facts)))
        earlier.add(revision)
        unknown.update(facts.standing.unknown_authors)
    return Plan(
        environment=situation.rules.name,
        target=situation.observation.identity.uuid if situation.observation.identity else "",
        heads=situation.heads,
        steps=tuple(steps),
        gates=judge(collect(workspace, situation, "", None), Scope.TARGET),
        policy=workspace.policy.digest,
        notices=(
            *_notices(workspace),
            *situation.authors.notices,
            *unknown_notices(tuple(sorted(unknown))),
            *surroundings_changed(workspace, situation, pending),
            *commits_in_parts(steps, situation.rules.dialect),
        ),
    )


def _pending(workspace: Workspace, situation: Situation, to: str) -> tuple[str, ...]:
    graph = workspace.scripts.graph
    wanted = heads_meant(workspace, situation.applied) if to == "head" else graph.resolve(to)
    _require_sound(workspace)
    return graph.pending(situation.applied, wanted)


def step_of(workspace: Workspace, facts: Facts, manifest: Manifest, decision: Decision) -> PlannedStep:
    sql, note = stored_sql(workspace, facts.revision, manifest.digest, facts.rules.dialect, "upgrade")
    return PlannedStep(
        header=workspace.scripts.revisions[facts.revision],
        direction="upgrade",
        manifest=manifest,
        decision=decision,
        sql=sql,
        sql_note=note,
        risks=risks_of(workspace, facts.revision, manifest),
    )


def stored_sql(
    workspace: Workspace, revision: str, manifest: str, dialect: str, direction: str
) -> tuple[str | None, str]:
    """The SQL that the self-review of these bytes stored, else what a rehearsal sent, and the reason; or None."""
    reviews = workspace.history.record(revision).self_reviews
    said = next((s for s in reversed(reviews) if not s.flaw and s.manifest == manifest), None)
    if said is None:
        return None, NO_SQL_YET
    stored = said.fields.get("sql", {}).get(dialect, {})
    digest = stored.get(direction)
    if digest is None:
        return _sent(workspace, revision, manifest, dialect, direction, stored.get("problem", ""))
    content = workspace.book.ledger.artifact(digest.removeprefix("sha256:"))
    return (content.decode(), "") if content is not None else (None, "the ledger has lost the stored SQL")


def _sent(
    workspace: Workspace, revision: str, manifest: str, dialect: str, direction: str, problem: str
) -> tuple[str | None, str]:
    """Nine of ten histories can't be rendered without a database: then what ran on a scratch one is the best there is.
    It saw no rows, so that a script which looks at data may send more here."""
    why = problem or f"not rendered for {dialect}"
    rehearsal = recorded_rehearsal(workspace, revision, manifest, dialect)
    sent = (rehearsal.sent or {}).get(direction, ()) if rehearsal else ()
    if rehearsal is None or not sent:
        return None, why
    text = "\n\n".join(f"{statement.text.rstrip().rstrip(';')};" for statement in sent) + "\n"
    return text, f"as the rehearsal on {rehearsal.server} sent it; {why}"


def recorded_rehearsal(workspace: Workspace, revision: str, manifest: str, dialect: str) -> Rehearsal | None:
    """The newest of these bytes, whole."""
    return rehearsal_of(workspace, evidence_of(workspace.history.record(revision), manifest), dialect)


def _require_sound(workspace: Workspace) -> None:
    """Raises ScriptError for a broken file: a graph with holes can't be planned on."""
    if workspace.scripts.problems:
        problem = workspace.scripts.problems[0]
        more = len(workspace.scripts.problems) - 1
        raise ScriptError(
            problem.problem + (f" (and {more} more: migrate-flow doctor)" if more else ""),
            hint=problem.hint,
            where=f"{problem.path}:{problem.line}" if problem.line else problem.path,
        )


def surroundings_changed(workspace: Workspace, situation: Situation, revisions: Sequence[str]) -> tuple[str, ...]:
    """env.py and Alembic's configuration run with every revision, and nobody approves them: a change is at least said.

    Compared with what stood there at each revision's self-review, and at the newest application in this database.
    """
    now = workspace.runner.environment_digests()
    found: dict[str, list[str]] = {}
    for revision in revisions:
        said = workspace.history.record(revision).last_self_review()
        for name in other_surroundings(now, said.fields) if said else ():
            found.setdefault(name, []).append(f"{revision} was self-reviewed")
    ran = [item for item in situation.target.applications.values() if item.attempt] if situation.target else []
    newest = max(ran, key=lambda item: item.stored, default=None)
    if newest is not None:
        for name in other_surroundings(now, newest.place):
            found.setdefault(name, []).append(f"{newest.revision} was applied here")
    return tuple(f"{name} is not what it was when {' and when '.join(when)}" for name, when in found.items())


def commits_in_parts(steps: Sequence[PlannedStep], dialect: str) -> tuple[str, ...]:
    """What a failure can leave half done, said before anything runs."""
    if steps and KINDS[dialect].parts:
        return (f"{dialect} commits each DDL statement by itself: a revision that fails midway is left partly applied",)
    return tuple(
        f"{step.revision} commits in parts (autocommit block): if it fails behind one, what came before stays"
        for step in steps
        if step.manifest.in_blocks
    )


def _notices(workspace: Workspace) -> tuple[str, ...]:
    file = workspace.policy_file()
    if file.in_force or not file.recorded:
        return ()
    number = workspace.history.policies[-1].number
    return (f"migrate-flow.toml holds policy {file.recorded}; policy {number} of the ledger is in force",)
