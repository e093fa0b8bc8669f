"""What a gate is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from migrate_flow.core.policy import EnvironmentRules, Level

if TYPE_CHECKING:
    from migrate_flow.core.facts import Facts
    from migrate_flow.core.verdict import Verdict


class Direction(StrEnum):
    """Which way a step runs. Words are Alembic's."""

    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"


UP = frozenset({Direction.UPGRADE})
DOWN = frozenset({Direction.DOWNGRADE})


class Scope(StrEnum):
    """What a gate asks about: the migration, or the target and who acts on it."""

    MIGRATION = "migration"
    TARGET = "target"


def _always(_rules: EnvironmentRules) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Gate:
    """level: asked from this requirement up. applies: whether an environment's configuration asks for it.

    order: where people read it. waivable: whether `approve --waive` can pass it for a day.
    directions: upgrade, downgrade or both; a downgrade is asked for nothing that would keep it back at night.
    """

    name: str
    order: int
    judge: Callable[[Facts], Verdict]
    level: Level = Level.CREATED
    scope: Scope = Scope.MIGRATION
    applies: Callable[[EnvironmentRules], bool] = _always
    waivable: bool = False
    directions: frozenset[Direction] = UP
