"""Open attempts, as `status` shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from migrate_flow.core.document import Block, Line, Tone
from migrate_flow.core.entry import format_time

if TYPE_CHECKING:
    from migrate_flow.core.facts import Activity
    from migrate_flow.services.open_attempts import OpenAttempt


def values(item: OpenAttempt) -> dict[str, Any]:
    attempt = item.attempt
    return {
        "environment": item.environment,
        "attempt": attempt.id,
        "revision": attempt.revision,
        "direction": attempt.direction,
        "by": attempt.by,
        "since": format_time(attempt.at),
        "host": attempt.operator.get("host"),
        "pid": attempt.operator.get("pid"),
        "partial": item.partial,
        "under_way": item.under_way,
        "may_resume": attempt.may_resume,
        "left": list(item.left),
        "processes": [_process(process) for process in item.processes],
        "problem": item.problem,
    }


def _process(process: Activity) -> dict[str, Any]:
    return {
        "process": process.process,
        "application": process.application,
        "since": process.since,
        "lock": process.lock,
        "statement": process.statement,
        "statement_s": process.statement_s,
        "waits_for": process.waits_for,
    }


def blocks(item: OpenAttempt) -> list[Block]:
    if item.under_way:
        return [Line(f"! {item}", Tone.WARN), *(_line(process) for process in item.processes)]
    found: list[Block] = [Line(f"! {item}", Tone.BAD)]
    found += [Line(f"- {text}", Tone.BAD, 1) for text in item.left]
    found += [_line(process) for process in item.processes]
    if item.problem:
        found.append(Line(f"its database could not be asked: {item.problem}", Tone.WARN, 1))
    elif not item.processes:
        found.append(Line("nothing works on it any more", Tone.FAINT, 1))
    found.append(Line(item.command, indent=1))
    return found


def _line(process: Activity) -> Line:
    doing = f"runs for {process.statement_s:.0f} s: {process.statement}" if process.statement else "runs nothing"
    waits = f"; waits for {process.waits_for}" if process.waits_for else ""
    return Line(f"{process.application}, server process {process.process}, {doing}{waits}", Tone.WARN, 1)
