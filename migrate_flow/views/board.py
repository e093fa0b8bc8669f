"""`status`, `show` and `inbox`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from migrate_flow.core.document import Block, Cell, Code, Document, Fields, Heading, Line, Table, Tone
from migrate_flow.core.entry import format_time
from migrate_flow.core.history import STANDING_STATES, Application, Applied
from migrate_flow.core.standing import Standing, State
from migrate_flow.core.text import shortened
from migrate_flow.services.inbox import Inbox
from migrate_flow.services.schema import difference_fields
from migrate_flow.services.show import Shown
from migrate_flow.services.status import Board, Row
from migrate_flow.views import attempts
from migrate_flow.views.drifting import changes
from migrate_flow.views.rehearsing import evidence_blocks, evidence_values

_STATE_TONES = {
    State.APPROVED: Tone.GOOD,
    State.CHANGES_REQUESTED: Tone.BAD,
    State.UNTRACKED: Tone.WARN,
    State.GRANDFATHERED: Tone.FAINT,
}
_LONGEST_MESSAGE = 48


def status(board: Board) -> Document:
    data = {
        "ledger": {"id": board.ledger, "entries": board.entries, "head": board.head},
        "environments": list(board.environments),
        "migrations": [migration(row) for row in board.rows],
        "attempts": [attempts.values(item) for item in board.attempts],
        "problems": [{"path": p.path, "line": p.line, "problem": p.problem, "hint": p.hint} for p in board.problems],
    }
    return Document("status", data, tuple(_status_blocks(board)))


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
    blocks: list[Block] = [Heading(f"{board.project}: {_count(len(board.rows), 'migration')}"), Line("")]
    if board.rows:
        columns = ("REVISION", "MESSAGE", "STATE", *board.environments)
        blocks.append(Table(columns, tuple(_row(row, board.environments) for row in board.rows), flexible=1))
    else:
        blocks.append(Line('No migration yet: migrate-flow new -m "what changes"'))
    nexts = [row for row in board.rows if row.next][:5]
    if nexts:
        blocks += [Line(""), Line("next:", Tone.STRONG)]
        blocks += [Line(row.next, indent=1) for row in nexts]
    for row in board.rows:
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


def _row(row: Row, environments: tuple[str, ...]) -> tuple[Cell, ...]:
    state = row.standing.state.value + (" (stale)" if row.standing.stale else "")
    tone = Tone.WARN if row.standing.stale else _STATE_TONES.get(row.standing.state, Tone.PLAIN)
    message = shortened(row.message or "-", _LONGEST_MESSAGE) + ("" if row.in_tree else " (not in this checkout)")
    return (
        Cell(row.revision, Tone.STRONG),
        Cell(message),
        Cell(state, tone),
        *(_applied(row.applied.get(name)) for name in environments),
    )


def _applied(found: Application | None) -> Cell:
    if found is None:
        return Cell("-", Tone.FAINT)
    if found.state is Applied.APPLIED:
        return Cell("applied", Tone.GOOD)
    tone = Tone.FAINT if found.state in STANDING_STATES else Tone.BAD
    return Cell(found.state.value, tone)


def _count(number: int, noun: str) -> str:
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{number} {noun if number == 1 else plural}"


def show(shown: Shown) -> Document:
    row = shown.row
    sql = [
        {"dialect": dialect, "direction": direction, "sql": text, "note": note}
        for dialect, direction, text, note in shown.sql
    ]
    data = {
        **migration(row),
        "doc": shown.doc,
        "risks": list(shown.risks),
        "changes": list(shown.changes),
        "notices": list(shown.notices),
        "sql": sql,
        "evidence": evidence_values(shown.evidence),
        "changed": {
            name: {"differences": [], "reason": found}
            if isinstance(found, str)
            else {"differences": difference_fields(found), "reason": None}
            for name, found in shown.changed.items()
        },
        "uncounted": [{"seq": said.seq, "by": said.actor, "reason": why} for said, why in row.standing.uncounted],
        "entries": [
            {"seq": e.seq, "kind": e.kind, "at": e.at, "actor": e.actor, "environment": e.environment}
            for e in shown.entries
        ],
    }
    return Document("show", data, tuple(_show_blocks(shown)))


def _show_blocks(shown: Shown) -> list[Block]:
    row = shown.row
    pairs = [
        ("state", Cell(row.standing.state.value, _STATE_TONES.get(row.standing.state, Tone.PLAIN))),
        ("script", Cell(row.path or "not in this checkout")),
        ("parents", Cell(", ".join(row.down_revision) or "none: a base")),
        ("digest", Cell(row.standing.manifest or "-")),
        ("contributors", Cell(", ".join(sorted(row.standing.contributors)) or "-")),
        ("risks", Cell(", ".join(shown.risks) or "none found", Tone.WARN if shown.risks else Tone.PLAIN)),
    ]
    blocks: list[Block] = [Heading(f"{row.revision}  {row.message}"), Line(""), Fields(tuple(pairs))]
    if row.standing.stale:
        blocks.append(Line(f"stale: {row.standing.stale}", Tone.WARN))
    blocks += [Line(f"! {text}", Tone.WARN) for text in (*shown.changes, *shown.notices)]
    if shown.doc:
        blocks += [Line(""), Line("documentation", Tone.STRONG), Code(shown.doc.strip())]
    for dialect, direction, text, note in shown.sql:
        blocks += [Line(""), Line(f"{direction} SQL, {dialect}", Tone.STRONG)]
        if note:
            blocks.append(Line(note if text is not None else f"none: {note}", Tone.FAINT, 1))
        if text is not None:
            blocks.append(Code(text or "(nothing)", "sql"))
    if not any(text is not None for _d, _w, text, _n in shown.sql) and shown.source:
        blocks += [Line(""), Line("script", Tone.STRONG), Code(shown.source, "python")]
    blocks += evidence_blocks(shown.evidence)
    blocks += _said(row.standing)
    blocks += [Line(""), Line("applied", Tone.STRONG), *_application_lines(row.applied)]
    if shown.changed:
        blocks += [Line(""), Line("what it changed in the schema", Tone.STRONG)]
    for name, found in shown.changed.items():
        blocks += [Line(f"{name}: {found}", Tone.FAINT, 1)] if isinstance(found, str) else changes(name, found)
    if shown.entries:
        blocks += [Line(""), Line("entries", Tone.STRONG)]
        blocks += [Line(f"{e.seq:>4}  {e.at[:19]}Z  {e.kind}  {e.actor}", indent=1) for e in shown.entries]
    blocks += [Line(f"entry {said.seq} does not count: {why}", Tone.WARN, 1) for said, why in row.standing.uncounted]
    if row.next:
        blocks += [Line(""), Line(f"next: {row.next}")]
    return blocks


def _said(standing: Standing) -> list[Block]:
    """Who looked at these bytes, and what they said."""
    attestations = sorted((*standing.reviews, *standing.objections, *standing.approvals), key=lambda said: said.seq)
    if not attestations:
        return []
    blocks: list[Block] = [Line(""), Line("reviews and approvals", Tone.STRONG)]
    for said in attestations:
        verdict = said.fields.get("verdict") or f"approved as {said.fields['role']}"
        comment = f": {said.fields['comment']}" if said.fields.get("comment") else ""
        tone = Tone.BAD if verdict == "request-changes" else Tone.GOOD
        blocks.append(Line(f"{said.actor}: {verdict}{comment}", tone, 1))
    return blocks


def _application_lines(applied: Mapping[str, Application | None]) -> list[Block]:
    found: list[Block] = []
    for name, item in applied.items():
        if item is None:
            found.append(Line(f"{name}: not applied", Tone.FAINT, 1))
        else:
            cell = _applied(item)
            found.append(Line(f"{name}: {cell.text} {item.at:%Y-%m-%d %H:%M} UTC by {item.by}", cell.tone, 1))
    return found


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
