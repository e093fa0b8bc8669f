"""The board: every migration, how it stands, and where it is applied. Reads the ledger and the checkout alone, and a
target only where an attempt is open on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate_flow.core.history import STANDING_STATES, Application, Applied, EnvironmentRecord, PolicyVersion
from migrate_flow.core.policy import Level
from migrate_flow.core.standing import Standing, State
from migrate_flow.services.content import resolve_one, standing_of
from migrate_flow.services.open_attempts import OpenAttempt, open_attempts

if TYPE_CHECKING:
    from migrate_flow.core.outline import Outline
    from migrate_flow.core.revision import Manifest, ScriptProblem
    from migrate_flow.services.workspace import Workspace


@dataclass(frozen=True)
class Row:
    """One migration. path: empty where neither the checkout nor the ledger knows one. applied: by environment.

    turn: the standing for the environment that comes next, where a rollback may ask for approval once more.
    """

    revision: str
    down_revision: tuple[str, ...]
    message: str
    path: str
    in_tree: bool
    standing: Standing
    turn: Standing
    applied: Mapping[str, Application | None]
    next: str
    author: str


@dataclass(frozen=True)
class Board:
    """Oldest first. policy_differs: what to know about the file's policy, empty if it is in force."""

    ledger: str
    entries: int
    head: str
    project: str
    policy: PolicyVersion
    environments: tuple[str, ...]
    rows: tuple[Row, ...]
    problems: tuple[ScriptProblem, ...]
    attempts: tuple[OpenAttempt, ...]
    policy_notice: str
    actor: str


def status(workspace: Workspace, text: str = "") -> Board:
    """One row, or (without REV) all. Raises ScriptError for an unknown REV, LedgerError."""
    history = workspace.history
    chosen = [resolve_one(workspace, text)] if text else _everything(workspace)
    here = workspace.scripts.outlines(chosen)
    return Board(
        ledger=history.ledger,
        entries=history.head.seq,
        head=f"sha256:{history.head.hash}",
        project=history.project,
        policy=history.policies[-1],
        environments=tuple(workspace.policy.environments),
        rows=tuple(row_of(workspace, revision, here.get(revision)) for revision in chosen),
        problems=workspace.scripts.problems,
        attempts=open_attempts(workspace),
        policy_notice=_policy_notice(workspace),
        actor=workspace.actor,
    )


def _everything(workspace: Workspace) -> list[str]:
    order = list(workspace.scripts.graph.order())
    gone = [revision for revision in workspace.history.revisions if revision not in workspace.scripts.revisions]
    return [*gone, *order]


def row_of(workspace: Workspace, revision: str, manifest: Manifest | Outline | None) -> Row:
    """manifest: of the script in this checkout; None if it is not here or can't be read."""
    standing = standing_of(workspace, revision, manifest)
    found = workspace.scripts.revisions.get(revision)
    record = workspace.history.record(revision)
    stored = record.last_content()
    applied = {
        name: shown_application(workspace.history.environment(name), revision) for name in workspace.policy.environments
    }
    fields = stored.fields if stored else {}
    turn = _turn(workspace, revision, manifest, standing, applied)
    created = next((said.actor for said in record.created if not said.flaw), "")
    return Row(
        revision=revision,
        down_revision=found.down_revision if found else tuple(fields.get("down_revision", ())),
        message=found.message if found else fields.get("message", ""),
        path=found.path if found else (stored.subjects[0].name if stored else ""),
        in_tree=found is not None,
        standing=standing,
        turn=turn,
        applied=applied,
        next=next_command(workspace, revision, manifest, turn, applied),
        author=created,
    )


def shown_application(environment: EnvironmentRecord, revision: str) -> Application | None:
    """The latest word, or the open attempt where there is one."""
    for _target, attempt in environment.open_attempts():
        known = environment.latest(revision)
        if attempt.revision == revision and (known is None or known.state is not Applied.PARTIAL):
            return Application(
                revision, Applied.OPEN, attempt.at, attempt.by, attempt.seq, attempt.manifest, "", attempt.id
            )
    return environment.latest(revision)


def next_command(
    workspace: Workspace,
    revision: str,
    manifest: Manifest | Outline | None,
    standing: Standing,
    applied: Mapping[str, Application | None],
) -> str:
    """What moves it on; empty if nothing is left to do, or nothing can be done from here."""
    match standing.state:
        case State.GRANDFATHERED if all(_stands(a) for a in applied.values()):
            return ""
        case State.UNTRACKED | State.GRANDFATHERED:
            return f"migrate-flow track {revision}" if manifest else ""
        case State.WITHDRAWN:
            return ""
        case State.CREATED:
            return f"migrate-flow self-review {revision}" if manifest else ""
        case State.CHANGES_REQUESTED:
            return f"migrate-flow self-review {revision}" if manifest else ""
        case State.SELF_REVIEWED if not standing.may_review:
            return _nobody_left("review", workspace.policy.review_roles)
        case State.SELF_REVIEWED:
            return f"migrate-flow review {revision}"
        case State.PEER_REVIEWED if not standing.may_approve:
            return _nobody_left("approve", standing.missing_roles)
        case State.PEER_REVIEWED:
            return f"migrate-flow approve {revision}"
        case _:
            return _next_apply(workspace, revision, applied)


def _nobody_left(deed: str, roles: Iterable[str]) -> str:
    return f"nobody is left to {deed} it: migrate-flow people add EMAIL --role {min(roles)} --key 'KEY'"


def _next_apply(workspace: Workspace, revision: str, applied: Mapping[str, Application | None]) -> str:
    name = _next_environment(workspace, applied)
    return f"migrate-flow apply {revision} --env {name}" if name else ""


def _next_environment(workspace: Workspace, applied: Mapping[str, Application | None]) -> str:
    """Where it does not stand, and stands in all that come before; empty if it stands everywhere."""
    for name, rules in workspace.policy.environments.items():
        ready = all(_stands(applied.get(upstream)) for upstream in rules.upstream)
        if not _stands(applied[name]) and ready:
            return name
    return ""


def _turn(
    workspace: Workspace,
    revision: str,
    manifest: Manifest | Outline | None,
    standing: Standing,
    applied: Mapping[str, Application | None],
) -> Standing:
    name = _next_environment(workspace, applied) if standing.state is State.APPROVED else ""
    if not name or workspace.policy.environments[name].requires is not Level.APPROVED:
        return standing
    targets = workspace.history.environment(name).targets.values()
    rolled_back = max((target.rolled_back.get(revision, 0) for target in targets), default=0)
    return standing_of(workspace, revision, manifest, rolled_back) if rolled_back else standing


def _stands(application: Application | None) -> bool:
    return application is not None and application.state in STANDING_STATES


def _policy_notice(workspace: Workspace) -> str:
    file = workspace.policy_file()
    number = workspace.history.policies[-1].number
    if file.in_force:
        return ""
    if file.recorded:
        return f"migrate-flow.toml holds policy {file.recorded}; policy {number} of the ledger is in force"
    return f"migrate-flow.toml differs from policy {number} and was never recorded; migrate-flow policy diff"
