"""docs/reference/gates.md: each gate as its docstring has it."""

from __future__ import annotations

import re
import sys
from inspect import getdoc

from migrate_flow.core.policy import Level
from migrate_flow.gates import all_gates
from migrate_flow.gates.gate import DOWN, UP, Gate, Scope, _always
from tests.docs.reference import FOLDER, NOTE, one_line, table

FILE = FOLDER / "gates.md"
HEAD = f"""\
# Gates

{NOTE.format(source="the docstrings in `migrate_flow/gates`")}
Before anything runs, every gate that the environment asks for gives a verdict.
All are asked and shown at once, never only the first that fails.
`migrate-flow plan --env ENV` shows them; `apply` and `rollback` ask them again, right before each intent is recorded.
A verdict has a reason, a hint with the command that clears it, and the people who can.
A gate that can't be asked from here is not passed: `"checked": false`.

`requires` of an environment decides which are asked: those of its level and of the levels before it.
An environment with an upstream requires `approved`.
Only waivable gates can be passed by an approver for a day: `migrate-flow approve REV --waive GATE --env ENV -m WHY`.
"""
_TITLE = re.compile(r"^(Problem|Clears it):", re.M)


def written() -> str:
    gates = all_gates()
    heads = ("gate", "asked", "of", "for", "waivable")
    parts = [HEAD, "\n", table(heads, (_row(gate) for gate in gates))]
    parts += [f"\n## {gate.name}\n\n{_page(gate)}\n" for gate in gates]
    return "".join(parts)


def _row(gate: Gate) -> list[str]:
    asked = "always" if gate.level is Level.CREATED else f"from `{gate.level.value}` up"
    if gate.applies is not _always:
        asked = "where configured"
    elif gate.directions == DOWN:
        asked = "always"
    ways = {UP: "upgrades", DOWN: "rollbacks", UP | DOWN: "both"}
    scope = "each migration" if gate.scope is Scope.MIGRATION else "the target"
    return [
        f"[`{gate.name}`](#{gate.name})", asked, scope, ways[gate.directions], "yes" if gate.waivable else ""
    ]  # fmt: skip


def _page(gate: Gate) -> str:
    text = getdoc(sys.modules[gate.judge.__module__])
    assert text, f"{gate.name} has no documentation"
    assert _TITLE.search(text), f"{gate.name} does not say what clears it"
    return "\n\n".join(one_line(part) for part in re.split(r"\n\n|\n(?=Problem:|Clears it:)", text)).replace(
        "Problem:", "**Problem:**"
    ).replace("Clears it:", "**Clears it:**")  # fmt: skip
