"""Verdicts, as values and as lines that say what blocks and who clears it."""

from __future__ import annotations

from collections.abc import Sequence
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
    """The verdicts that were not shown before: what is about the target, or about each step, is said once."""
    known = {(verdict.gate, verdict.passed, verdict.reason) for verdict in shown.verdicts}
    return Decision(tuple(v for v in decision.verdicts if (v.gate, v.passed, v.reason) not in known))


def shared(decisions: Sequence[Decision]) -> Decision:
    """The verdicts that each of them has, word for word; none of a single one."""
    first, *others = decisions or (Decision(()),)
    same = tuple(verdict for verdict in first.verdicts if all(verdict in other.verdicts for other in others))
    return Decision(same if others else ())


def blockers(decision: Decision, indent: int = 1) -> list[Block]:
    """Every gate that does not pass: the reason, who can clear it, and the command."""
    return everything(Decision(decision.blockers), indent)


def everything(decision: Decision, indent: int = 1) -> list[Block]:
    """Every gate that was asked: the passed ones, then the others. What one command clears stands together above it."""
    passed = [verdict for verdict in decision.verdicts if verdict.passed]
    found: list[Block] = [Line(f"✓ {verdict.gate}: {verdict.reason}", Tone.GOOD, indent) for verdict in passed]
    advised: dict[tuple[str, tuple[str, ...]], list[Verdict]] = {}
    for verdict in decision.blockers:
        advised.setdefault((verdict.hint, tuple(verdict.who)), []).append(verdict)
    for verdicts in advised.values():
        for verdict in verdicts:
            mark = "✗" if verdict.checked else "?"
            found.append(Line(f"{mark} {verdict.gate}: {verdict.reason}", Tone.BAD, indent))
        found += _advice(verdicts[0], indent + 1)
    return found


def _advice(verdict: Verdict, indent: int) -> list[Block]:
    found: list[Block] = []
    if verdict.who:
        shown = ", ".join(verdict.who[:4]) + (f" and {len(verdict.who) - 4} more" if len(verdict.who) > 4 else "")
        found.append(Line(f"who:  {shown}", Tone.FAINT, indent))
    if verdict.hint:
        found.append(Line(f"hint: {verdict.hint}", Tone.PLAIN, indent))
    return found
