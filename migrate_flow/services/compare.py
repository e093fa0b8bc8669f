"""Two environments: do they stand at the same revisions, and have they the same schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate_flow.errors import TargetError, UsageError
from migrate_flow.services.facts import Situation, look
from migrate_flow.services.same_schema import Unlike, beside

if TYPE_CHECKING:
    from migrate_flow.core.snapshot import Snapshot
    from migrate_flow.services.workspace import Workspace


@dataclass(frozen=True)
class Side:
    """heads: of its version table. only: revisions that stand here and not in the other one. server: name, version."""

    environment: str
    server: str
    heads: tuple[str, ...]
    only: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True)
class Compared:
    """one, other: as they are now. found: how the other one's schema differs, expected being the first one's."""

    one: Side
    other: Side
    found: Unlike

    @property
    def same_revisions(self) -> bool:
        return not (self.one.only or self.other.only)

    @property
    def equal(self) -> bool | None:
        """None where the schemas can't be compared."""
        return self.found.equal if self.found.equal is not True else self.same_revisions


def compare(workspace: Workspace, one: str, other: str) -> Compared:
    """As both databases are now. Raises UsageError, TargetError for one that is out of reach, LedgerError."""
    if one == other:
        raise UsageError(f"{one} is the same as {other}", hint="name two environments", where=other)
    situations = [look(workspace, name) for name in (one, other)]
    dialects = [situation.rules.dialect for situation in situations]
    first, second = (_snapshot(situation) for situation in situations)
    if len(set(dialects)) > 1:
        found = Unlike(one, unknown=f"{one} speaks {dialects[0]}, {other} {dialects[1]}")
    else:
        found = beside(workspace, one, first, second)
    here, there = (situation.applied for situation in situations)
    sides = [
        Side(
            situation.rules.name,
            situation.observation.server,
            situation.heads,
            tuple(sorted(only)),
            snapshot.fingerprint,
        )
        for situation, only, snapshot in zip(situations, (here - there, there - here), (first, second), strict=True)
    ]
    return Compared(sides[0], sides[1], found)


def _snapshot(situation: Situation) -> Snapshot:
    schema = situation.live.schema()
    if schema.snapshot is None:
        name = situation.rules.name
        raise TargetError(schema.problem, hint=f"migrate-flow env test {name}", where=name)
    return schema.snapshot
