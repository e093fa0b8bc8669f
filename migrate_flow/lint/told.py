"""What reading the graph has found already, handed to the rule that speaks of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate_flow.lint.rule import Hit

if TYPE_CHECKING:
    from migrate_flow.lint.script import Script


def told(script: Script, rule: str) -> Iterator[Hit]:
    for problem in script.problems:
        if problem.rule == rule:
            yield Hit(problem.line, problem.problem, problem.hint)
