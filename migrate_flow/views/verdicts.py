"""Verdicts, as values and as lines that say what blocks and who clears it."""

from __future__ import annotations

from typing import Any

from migrate_flow.core.document import Block, Line, Tone
from migrate_flow.core.verdict import Decision, Verdict


def values(decision: Decision) -> list[dict[str, Any]]:
    return [
        {
            "gate": verdict.gate,
            "passed": verdict.passed,
            "reason": verdict.reason,
            "hint": verdict.hint,
            "who": list(verdict.who),
            "checked": verdict.checked,
        }
        for verdict in decision.verdicts
    ]


def without(decision: Decision, shown: Decision) -> Decision:
    """The verdicts of gates that were not shown before: what is about the target is said once."""
    known = {(verdict.gate, verdict.passed) for verdict in shown.verdicts}
    return Decision(tuple(v for v in decision.verdicts if (v.gate, v.passed) not in known))


def blockers(decision: Decision, indent: int = 1) -> list[Block]:
    """Every gate that does not pass: the reason, who can clear it, and the command."""
    found: list[Block] = []
    for verdict in decision.blockers:
        found.append(Line(f"✗ {verdict.gate}: {verdict.reason}", Tone.BAD, indent))
        found += _advice(verdict, indent + 1)
    return found


def everything(decision: Decision, indent: int = 1) -> list[Block]:
    """Every gate that was asked, the passed ones too."""
    found: list[Block] = []
    for verdict in decision.verdicts:
        if verdict.passed:
            found.append(Line(f"✓ {verdict.gate}: {verdict.reason}", Tone.GOOD, indent))
        else:
            mark = "✗" if verdict.checked else "?"
            found.append(Line(f"{mark} {verdict.gate}: {verdict.reason}", Tone.BAD, indent))
            found += _advice(verdict, indent + 1)
    return found


def _advice(verdict: Verdict, indent: int) -> list[Block]:
    found: list[Block] = []
    if verdict.who:
        shown = ", ".join(verdict.who[:4]) + (f" and {len(verdict.who) - 4} more" if len(verdict.who) > 4 else "")
        found.append(Line(f"who:  {shown}", Tone.FAINT, indent))
    if verdict.hint:
        found.append(Line(f"hint: {verdict.hint}", Tone.PLAIN, indent))
    return found
