"""`status` and `inbox`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from migrate_flow.core.document import Block, Cell, Document, Heading, Line, Members, Table, Tone
from migrate_flow.core.entry import format_time
from migrate_flow.core.history import STANDING_STATES, Application, Applied
from migrate_flow.core.standing import Standing, State
from migrate_flow.core.text import shortened
from migrate_flow.services.settled import Brief
from migrate_flow.services.status import Row
from migrate_flow.views import attempts

if TYPE_CHECKING:
    from migrate_flow.services.inbox import Inbox
    from migrate_flow.services.status import Board

STATE_TONES = {
    State.APPROVED: Tone.GOOD,
    State.CHANGES_REQUESTED: Tone.BAD,
    State.UNTRACKED: Tone.WARN,
    State.GRANDFATHERED: Tone.FAINT,
}
_LONGEST_MESSAGE = 120
_MOST_NEXT = 5
_MARKS = {
    Applied.APPLIED: "✓",
    Applied.GRANDFATHERED: "○",
    Applied.ROLLED_BACK: "↓",
    Applied.OUT_OF_BAND: "?",
    Applied.FAILED: "✗",
    Applied.PARTIAL: "%",
    Applied.OPEN: "!",
}


def status(board: Board) -> Document:
    data = {
        "ledger": {"id": board.ledger, "entries": board.entries, "head": board.head},
        "environments": list(board.environments),
        # A board for this is whole.
        "migrations": Members(lambda: (migration(row) for row in board.rows if isinstance(row, Row))),
        "attempts": [attempts.values(item) for item in board.attempts],
        "problems": [{"path": p.path, "line": p.line, "problem": p.problem, "hint": p.hint} for p in board.problems],
    }
    return Document("status", data, Members(lambda: iter(_status_blocks(board))))


def migration(row: Row) -> dict[str, Any]:
    """One migration's values, as `status` and `show` promise them."""
    standing = row.standing
    return {
        "revision": row.revision,
        "down_revision": list(row.down_revision),
        "message": row.message,
        "path": row.path,
        "in_tree": row.in_tree,
        "digest": standing.manifest,
        "state": standing.state.value,
        "stale": bool(standing.stale),
        "stale_reason": standing.stale,
        "author": row.author or None,
        "contributors": sorted(standing.contributors),
        "reviews": _reviews(standing),
        "approvals": [
            {"by": said.actor, "role": said.fields["role"], "at": format_time(said.at), "seq": said.seq}
            for said in standing.approvals
        ],
        "applied": {name: application(found) for name, found in row.applied.items()},
        "next": row.next,
    }


def application(found: Application | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"state": found.state.value, "at": format_time(found.at), "by": found.by, "seq": found.seq}


def _reviews(standing: Standing) -> list[dict[str, Any]]:
    said = sorted((*standing.reviews, *standing.objections), key=lambda item: item.seq)
    return [
        {
            "by": item.actor,
            "verdict": item.fields["verdict"],
            "comment": item.fields.get("comment", ""),
            "at": format_time(item.at),
            "seq": item.seq,
        }
        for item in said
    ]


def _status_blocks(board: Board) -> list[Block]:
    total = len(board.rows) + board.older
    blocks: list[Block] = [Heading(f"{board.project}: {_count(total, 'migration')}"), Line("")]
    if board.rows:
        columns = ("REVISION", "MESSAGE", "STATE", *board.environments)
        blocks.append(Table(columns, tuple(_row(row, board.environments) for row in board.rows), flexible=1))
    else:
        blocks.append(Line('No migration yet: migrate-flow new -m "what changes"'))
    if board.older:
        text = f"… and {board.older:,} older ones that stand everywhere: migrate-flow status --all"
        blocks.append(Line(text, Tone.FAINT))
    whole = [row for row in board.rows if isinstance(row, Row)]
    nexts = _nexts(whole)
    if nexts:
        blocks += [Line(""), Line("next:", Tone.STRONG), *(Line(text, indent=1) for text in nexts[:_MOST_NEXT])]
        if len(nexts) > _MOST_NEXT:
            blocks.append(Line(f"and {len(nexts) - _MOST_NEXT} more; yours: migrate-flow inbox", Tone.FAINT, 1))
    for row in whole:
        if row.standing.stale:
            blocks.append(Line(f"! {row.revision} is stale: {row.standing.stale}", Tone.WARN))
    for item in board.attempts:
        blocks += attempts.blocks(item)
    blocks += [Line(f"! {p.path}: {p.problem}", Tone.BAD) for p in board.problems]
    if board.policy_notice:
        blocks.append(Line(f"! {board.policy_notice}", Tone.WARN))
    number = board.policy.number
    blocks += [Line(""), Line(f"ledger: {_count(board.entries, 'entry')}, policy {number}", Tone.FAINT)]
    return blocks


def _nexts(rows: Sequence[Row]) -> list[str]:
    """What was interrupted comes first. Of what is to be applied to one environment only what no other takes along."""
    found: dict[str, None] = {}
    for row in rows:
        verb, _, environment = row.next.partition(" --env ")
        applies = verb.startswith("migrate-flow apply ")
        for parent in row.down_revision if applies else ():
            found.pop(f"migrate-flow apply {parent} --env {environment}", None)
        if row.next:
            found[row.next] = None
    return sorted(found, key=lambda command: not command.startswith("migrate-flow recover "))


def _row(row: Row | Brief, environments: tuple[str, ...]) -> tuple[Cell, ...]:
    if isinstance(row, Brief):
        state, stale, applied = row.state, False, {**row.applied}
    else:
        state, stale = row.standing.state, bool(row.standing.stale)
        applied = {name: found.state for name, found in row.applied.items() if found is not None}
    tone = Tone.WARN if stale else STATE_TONES.get(state, Tone.PLAIN)
    message = shortened(row.message or "-", _LONGEST_MESSAGE) + ("" if row.in_tree else " (not in this checkout)")
    return (
        Cell(row.revision, Tone.STRONG),
        Cell(message),
        Cell(state.value + (" (stale)" if stale else ""), tone),
        *(applied_cell(applied.get(name)) for name in environments),
    )


def applied_cell(state: Applied | None) -> Cell:
    if state is None:
        return Cell("-", Tone.FAINT, "-")
    if state is Applied.APPLIED:
        return Cell("applied", Tone.GOOD, _MARKS[state])
    return Cell(state.value, Tone.FAINT if state in STANDING_STATES else Tone.BAD, _MARKS[state])


def _count(number: int, noun: str) -> str:
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{number} {noun if number == 1 else plural}"


def inbox(found: Inbox) -> Document:
    data = {
        "person": found.person,
        "waiting": [
            {"revision": w.revision, "message": w.message, "what": w.what, "command": w.command} for w in found.waiting
        ],
    }
    blocks: list[Block] = [Heading(f"{found.person}: {_count(len(found.waiting), 'thing')} waiting")]
    for item in found.waiting:
        title = f"{item.revision}  {shortened(item.message, _LONGEST_MESSAGE)}".rstrip()
        blocks += [Line(""), Line(title, Tone.STRONG), Line(item.what, indent=1)]
        blocks.append(Line(item.command, indent=1))
    return Document("inbox", data, tuple(blocks))
