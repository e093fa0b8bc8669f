"""Gates: each file here is one question, a pure function of Facts; its docstring is its documentation page.

A new gate is a new file with a `GATE`. Outside packages add theirs through the entry point group
`migrate_flow.gates`.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING

from migrate_flow.core.verdict import Decision, decide
from migrate_flow.gates.gate import Direction, Gate, Scope

if TYPE_CHECKING:
    from migrate_flow.core.facts import Facts
    from migrate_flow.core.policy import EnvironmentRules


@cache
def all_gates() -> tuple[Gate, ...]:
    """Every gate, in the order in which people read them."""
    import pkgutil
    from importlib.metadata import entry_points

    modules = [importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)]
    found = [module.GATE for module in modules if hasattr(module, "GATE")]
    found += [point.load() for point in entry_points(group="migrate_flow.gates")]
    return tuple(sorted(found, key=lambda gate: (gate.order, gate.name)))


def asked(
    rules: EnvironmentRules, scope: Scope | None = None, direction: Direction = Direction.UPGRADE
) -> tuple[Gate, ...]:
    """The gates that an environment's rules ask for in this direction."""
    return tuple(
        gate
        for gate in all_gates()
        if direction in gate.directions
        and gate.level.rank <= rules.requires.rank
        and gate.applies(rules)
        and scope in (None, gate.scope)
    )


def judge(facts: Facts, scope: Scope | None = None) -> Decision:
    """All verdicts at once, never only the first that fails."""
    return decide(gate.judge(facts) for gate in asked(facts.rules, scope, Direction(facts.direction)))


__all__ = ["Direction", "Gate", "Scope", "all_gates", "asked", "judge"]
