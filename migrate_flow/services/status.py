"""The board: every migration, how it stands, and where it is applied. Reads the ledger and the checkout alone, and a
target only where an attempt is open on it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate_flow.core.entry import format_time
from migrate_flow.core.history import STANDING_STATES, Application, Applied, EnvironmentRecord, PolicyVersion
from migrate_flow.core.policy import Level
from migrate_flow.core.standing import Standing, State
from migrate_flow.services.content import resolve_one, standing_of
from migrate_flow.services.open_attempts import OpenAttempt, open_attempts
from migrate_flow.services.settled import Brief, listed
from migrate_flow.services.settled import settled as settled_as

if TYPE_CHECKING:
    from migrate_flow.core.outline import Outline
    from migrate_flow.core.revision import Manifest, ScriptProblem
    from migrate_flow.services.settled_rows import Settled
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
    """Oldest first; the rows of a whole board are made anew whenever somebody goes through them. older: how many more
    stand everywhere with nothing left to do. policy_differs: what to know about the file's policy, empty if it is in
    force."""

    ledger: str
    entries: int
    head: str
    project: str
    policy: PolicyVersion
    environments: tuple[str, ...]
    rows: Collection[Row | Brief]
    older: int
    problems: tuple[ScriptProblem, ...]
    attempts: tuple[OpenAttempt, ...]
    policy_notice: str


def status(workspace: Workspace, text: str = "", *, brief: bool = False, older: bool = True) -> Board:
    """One row, or (without REV) all. brief: those that are settled need not be whole. older: also all of a long history
    are wanted. Raises ScriptError for an unknown REV, LedgerError."""
    history = workspace.history
    chosen = [resolve_one(workspace, text)] if text else _everything(workspace)
    if text or not brief:
        rows: Collection[Row | Brief] = _Whole(workspace, chosen)
        hidden = 0
    else:
        rows, hidden = _summed_up(workspace, chosen, older=older)
    return Board(
        ledger=history.ledger,
        entries=history.head.seq,
        head=f"sha256:{history.head.hash}",
        project=history.project,
        policy=history.policies[-1],
        environments=tuple(workspace.policy.environments),
        rows=rows,
        older=hidden,
        problems=workspace.scripts.problems,
        attempts=open_attempts(workspace),
        policy_notice=_policy_notice(workspace),
    )


class _Whole(Collection[Row]):
    """Thousands of whole rows take more memory than all else."""

    def __init__(self, workspace: Workspace, chosen: Sequence[str]) -> None:
        self._workspace, self._chosen = workspace, chosen

    def __len__(self) -> int:
        return len(self._chosen)

    def __contains__(self, row: object) -> bool:
        return any(row == one for one in self)

    def __iter__(self) -> Iterator[Row]:
        here = self._workspace.scripts.outlines(self._chosen)
        for revision in self._chosen:
            yield row_of(self._workspace, revision, here.get(revision))


def _everything(workspace: Workspace) -> list[str]:
    order = workspace.scripts.order
    here = frozenset(order)
    return [*(revision for revision in workspace.history.revisions if revision not in here), *order]


def _summed_up(workspace: Workspace, chosen: list[str], *, older: bool) -> tuple[list[Row | Brief], int]:
    """Whole rows of what is not settled, and how many settled ones are left out."""
    known, now = workspace.book.settled, format_time(workspace.book.latest())
    held = known.holding(workspace.scripts.digests, now)
    others = [revision for revision in chosen if revision not in held]
    rows, found = _rows(workspace, others, now)
    if found or len(held) < len(known):
        workspace.book.settle({revision: known[revision] for revision in held} | found)
    done = [revision for revision in chosen if revision not in rows]
    shown = frozenset(done) if older else listed(done)
    return (
        [
            rows.get(revision) or _brief(workspace, revision, found.get(revision) or known[revision])
            for revision in chosen
            if revision in rows or revision in shown
        ],
        len(done) - len(shown),
    )


def _rows(workspace: Workspace, chosen: list[str], now: str) -> tuple[dict[str, Row], dict[str, Settled]]:
    """And those of them that turn out to be settled."""
    here = workspace.scripts.outlines(chosen) if chosen else {}
    rows, found = {}, {}
    for revision in chosen:
        manifest = here.get(revision)
        row = row_of(workspace, revision, manifest)
        settled = _settled(workspace, row, manifest, now)
        if settled is None:
            rows[revision] = row
        else:
            found[revision] = settled
    return rows, found


def _settled(workspace: Workspace, row: Row, manifest: Outline | None, now: str) -> Settled | None:
    if row.next or row.in_tree != (manifest is not None):
        return None
    applied = {name: known.state if known else None for name, known in row.applied.items()}
    return settled_as(row.standing, applied, workspace.policy, now, in_tree=row.in_tree)


def _brief(workspace: Workspace, revision: str, known: Settled) -> Brief:
    found = workspace.scripts.revisions.get(revision)
    stored = None if found else workspace.history.record(revision).last_content()
    message = found.message if found else stored.fields.get("message", "") if stored else ""
    applied = {name: Applied(state) for name, state in known.applied.items()}
    return Brief(revision, message, found is not None, State(known.state), applied)


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
    if not name:
        return ""
    attempts = (
        [] if workspace.policy.environments[name].personal else workspace.history.environment(name).open_attempts()
    )
    if any(not attempt.may_resume for _target, attempt in attempts):
        return f"migrate-flow recover --env {name}"
    return f"migrate-flow apply {revision} --env {name}"


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
