"""What waits for one person, with the command to run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate_flow.core.nearest import meant
from migrate_flow.core.standing import State
from migrate_flow.errors import IdentityError
from migrate_flow.services.policy import waiting
from migrate_flow.services.status import Row, status

if TYPE_CHECKING:
    from migrate_flow.services.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Waiting:
    """what: one sentence. command: to paste."""

    revision: str
    message: str
    what: str
    command: str


@dataclass(frozen=True, slots=True)
class Inbox:
    person: str
    waiting: tuple[Waiting, ...]


def inbox(workspace: Workspace) -> Inbox:
    """Raises IdentityError if nobody is known here; asks for no key."""
    person = workspace.actor
    if not person:
        raise IdentityError(
            "whose inbox? no key of a person in the policy is here", hint="migrate-flow --as PERSON inbox"
        )
    if person not in workspace.policy.people:
        known = ", ".join(sorted(workspace.policy.people))
        near = meant(person, workspace.policy.people)
        raise IdentityError(f"{person} is not in the policy{near}", hint=f"one of: {known}", where="--as")
    if not workspace.able([person]):
        what = "your keys are revoked, so nobody waits for you: make another one, and let a policy-admin record it"
        return Inbox(person, (Waiting("", "", what, f"migrate-flow keys new {person}"),))
    board = status(workspace, brief=True, older=False)
    rows = [row for row in board.rows if isinstance(row, Row)]  # what is settled waits for nobody
    found = [item for row in rows for item in _for_person(workspace, row, person)]
    for name, environment in workspace.history.environments.items():
        for _target, attempt in environment.open_attempts():
            what = f"the attempt of {attempt.by} in {name} has no outcome"
            found.insert(0, Waiting(attempt.revision, "", what, f"migrate-flow recover --env {name}"))
    for item in waiting(workspace.history):
        if person in item.who:
            what = f"the policy that {', '.join(item.by)} proposed needs your signature"
            found.insert(0, Waiting("", "", what, f"migrate-flow policy endorse {item.seq}"))
    return Inbox(person, tuple(found))


def _for_person(workspace: Workspace, row: Row, person: str) -> list[Waiting]:
    state, standing = row.turn.state, row.turn
    mine = person in standing.contributors
    if state is State.UNTRACKED and row.in_tree:
        return [_waiting(row, "nobody has recorded it yet", f"track {row.revision}")]
    if state is State.CREATED and mine:
        return [_waiting(row, standing.stale or "your self-review is missing", f"self-review {row.revision}")]
    if state is State.CHANGES_REQUESTED and mine:
        who = ", ".join(said.actor for said in standing.objections)
        return [_waiting(row, f"{who} asked for changes", f"show {row.revision}")]
    if state is State.SELF_REVIEWED and person in standing.may_review and not _reviewed(row, person):
        return [_waiting(row, f"{row.author} asks for a review", f"review {row.revision}")]
    if state is State.PEER_REVIEWED and person in standing.may_approve:
        roles = workspace.policy.people[person].roles
        role = next(role for role in standing.missing_roles if role in roles)
        return [_waiting(row, f"your approval as {role} is missing", f"approve {row.revision}")]
    if state is State.APPROVED:
        return _to_apply(workspace, row, person)
    return []


def _to_apply(workspace: Workspace, row: Row, person: str) -> list[Waiting]:
    if not row.next:
        return []
    name = row.next.rsplit(" ", 1)[1]
    rules = workspace.policy.environments[name]
    may = workspace.policy.has_role(person, rules.apply_roles) if rules.apply_roles else True
    named = bool(rules.apply_roles) or person in row.standing.contributors
    if not may or not named:
        return []
    return [_waiting(row, f"approved, and not applied to {name}", row.next.removeprefix("migrate-flow "))]


def _reviewed(row: Row, person: str) -> bool:
    return any(said.actor == person for said in row.standing.reviews)


def _waiting(row: Row, what: str, command: str) -> Waiting:
    return Waiting(row.revision, row.message, what, f"migrate-flow {command}")
