"""Revisions that stand everywhere, with nothing left to do: most of a long history. A board that is looked at sums them
up, and what was found out of one holds until something about it changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate_flow.core.entry import format_time
from migrate_flow.core.history import Applied
from migrate_flow.core.standing import Standing, State
from migrate_flow.services.settled_rows import Settled

if TYPE_CHECKING:
    from migrate_flow.core.policy import Policy

MOST_LISTED = 50  # then only the newest are
STILL_LISTED = 20
_STATES = (State.APPROVED, State.GRANDFATHERED)
_ARRIVED = (Applied.APPLIED, Applied.GRANDFATHERED)


@dataclass(frozen=True, slots=True)
class Brief:
    """A settled migration, as a table shows it."""

    revision: str
    message: str
    in_tree: bool
    state: State
    applied: Mapping[str, Applied]


def settled(
    standing: Standing,
    applied: Mapping[str, Applied | None],
    policy: Policy,
    now: str,
    *,
    in_tree: bool,
) -> Settled | None:
    """None where something is left to do, or may be. applied: how it stands, by environment. now: RFC 3339 in UTC."""
    if standing.state not in _STATES or standing.stale or not all(state in _ARRIVED for state in applied.values()):
        return None
    expires = policy.approval_expires
    until = format_time(min(said.at for said in standing.approvals) + expires) if standing.approvals and expires else ""
    where = {name: state.value for name, state in applied.items() if state is not None}
    return Settled(standing.manifest if in_tree else "", standing.state.value, where, now, until)


def listed(found: Sequence[str]) -> frozenset[str]:
    """Which of the settled ones (oldest first) a table has a line for."""
    return frozenset(found if len(found) <= MOST_LISTED else found[-STILL_LISTED:])
