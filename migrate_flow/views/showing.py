"""`show`, and the reading view of `review`: what a migration is, why, what it runs, and what was said of it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from migrate_flow.core.document import Block, Cell, Code, Document, Fields, Heading, Line, Tone
from migrate_flow.core.rehearsal import MOST_CHANGES, Grade, Rehearsal
from migrate_flow.services.schema import difference_fields
from migrate_flow.views.board import STATE_TONES, applied_cell, migration
from migrate_flow.views.checking import finding_blocks, finding_values
from migrate_flow.views.drifting import changes, difference_blocks
from migrate_flow.views.rehearsing import evidence_values

if TYPE_CHECKING:
    from migrate_flow.core.history import Application
    from migrate_flow.core.standing import Standing
    from migrate_flow.services.show import Shown

# What Alembic's template writes below the text; the heading and the fields say it already.
_WRITTEN_BY_ALEMBIC = re.compile(r"^(Revision ID|Revises|Create Date): .*\n?", re.MULTILINE)


def show(shown: Shown) -> Document:
    row = shown.row
    data = {
        **migration(row),
        "doc": shown.doc,
        "risks": list(shown.risks),
        "changes": list(shown.changes),
        "notices": list(shown.notices),
        "sql": [
            {"dialect": dialect, "direction": direction, "sql": text, "note": note}
            for dialect, direction, text, note in shown.sql
        ],
        "evidence": evidence_values(shown.evidence),
        "findings": [finding_values(finding, {}) for finding in shown.findings],
        "rehearsed": [_rehearsed_values(one) for one in shown.rehearsed],
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
    return Document("show", data, (*_read(shown), *_stands(shown)))


def reading(shown: Shown) -> Document:
    """What a reviewer reads before they are asked, the script's own text included: its bytes are what they sign."""
    code, line = _below_docstring(shown.source)
    script: list[Block] = [Line("")]
    script += [Line(f"script, from line {line}" if line > 1 else "script", Tone.STRONG), Code(code, "python")]
    return Document("show", {}, (*_read(shown), *(script if _rendered(shown) and code else ()), *_said(shown)))


def _rehearsed_values(one: Rehearsal) -> dict[str, Any]:
    return {
        "dialect": one.dialect,
        "server": one.server,
        "grade": one.grade.value if one.grade else None,
        "changes": None if one.changes is None else difference_fields(one.changes),
        "notes": list(one.notes),
        "locks": [{"relation": lock.relation, "mode": lock.mode} for lock in one.locks],
    }


def _read(shown: Shown) -> Iterator[Block]:
    """What it is, why, what it runs, what that changes, and what the checks say."""
    row = shown.row
    state = Cell(row.standing.state.value, STATE_TONES.get(row.standing.state, Tone.PLAIN))
    yield Heading(f"{row.revision}  {row.message}")
    yield Line("")
    yield Fields(
        (
            ("state", state),
            ("script", Cell(row.path or "not in this checkout")),
            ("parents", Cell(", ".join(row.down_revision) or "none: a base")),
            ("digest", Cell(row.standing.manifest or "-")),
            ("contributors", Cell(", ".join(sorted(row.standing.contributors)) or "-")),
            ("risks", Cell(", ".join(shown.risks) or "none found", Tone.WARN if shown.risks else Tone.PLAIN)),
        )
    )
    if row.standing.stale:
        yield Line(f"stale: {row.standing.stale}", Tone.WARN)
    yield from (Line(f"! {text}", Tone.WARN) for text in (*shown.changes, *shown.notices))
    if doc := _own_words(shown.doc, row.message):
        yield from (Line(""), Line("documentation", Tone.STRONG), Code(doc))
    for dialect, direction, text, note in shown.sql:
        yield from (Line(""), Line(f"{direction} SQL, {dialect}", Tone.STRONG))
        if note:
            yield Line(note if text is not None else f"none: {note}", Tone.FAINT, 1)
        if text is not None:
            yield Code(text or "(nothing)", "sql")
    if not _rendered(shown) and shown.source:
        yield from (Line(""), Line("script", Tone.STRONG), Code(shown.source, "python"))
    for one in shown.rehearsed:
        yield from _schema_blocks(one)
    if shown.evidence.lint or shown.evidence.rehearsals:
        yield from (Line(""), Line("checks", Tone.STRONG), *_lint_blocks(shown), *_rehearsal_blocks(shown))


def _rendered(shown: Shown) -> bool:
    return any(text is not None for _dialect, _direction, text, _note in shown.sql)


def _own_words(doc: str, message: str) -> str:
    text = _WRITTEN_BY_ALEMBIC.sub("", doc.strip() + "\n").strip()
    return text.removeprefix(message).strip() if message else text


def _below_docstring(source: str) -> tuple[str, int]:
    """The code, and the number of its first line."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return source.strip("\n"), 1
    first = body[0] if body else None
    said = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    lines = source.splitlines()
    start = (first.end_lineno or 0) if first is not None and said else 0
    while start < len(lines) and not lines[start].strip():
        start += 1
    return "\n".join(lines[start:]), start + 1


def _schema_blocks(one: Rehearsal) -> Iterator[Block]:
    if one.changes is None:
        return
    yield Line("")
    yield Line(f"what it changes in the schema, as rehearsed on {one.server or one.dialect}", Tone.STRONG)
    if not one.changes:
        yield Line("nothing", Tone.FAINT, 1)
    yield from difference_blocks(one.changes, "before", "after", 1)
    if len(one.changes) == MOST_CHANGES:
        yield Line(f"only the first {MOST_CHANGES} are recorded", Tone.FAINT, 1)


def _lint_blocks(shown: Shown) -> Iterator[Block]:
    for one in shown.evidence.newest_lint():
        counts = [(one.errors, "error"), (one.warnings, "warning")]
        told = ", ".join(f"{number} {what}{'' if number == 1 else 's'}" for number, what in counts)
        text = f"lint: {told}, {one.waived} waived, by the rules {one.rule_set} ({one.by}, entry {one.seq})"
        yield Line(text, Tone.BAD if one.errors else Tone.GOOD, 1)
    for finding in shown.findings:
        yield from finding_blocks(finding, {}, 2)


def _rehearsal_blocks(shown: Shown) -> Iterator[Block]:
    found = shown.evidence
    for dialect in dict.fromkeys(one.dialect for one in found.rehearsals):
        for ran in found.newest_rehearsals(dialect):
            text = f"rehearsed on {ran.server}: {ran.grade or ran.error or 'failed'} ({ran.by}, entry {ran.seq})"
            yield Line(text, Tone.GOOD if ran.grade == Grade.LOSSLESS else Tone.WARN if ran.undone else Tone.BAD, 1)
            if ran.lost:
                yield Line(f"drops {', '.join(ran.lost)}", Tone.WARN, 2)
        for one in shown.rehearsed:
            if one.dialect == dialect:
                yield from _lock_lines(one)


def _lock_lines(one: Rehearsal) -> Iterator[Block]:
    for mode in sorted({lock.mode for lock in one.locks}):
        tables = ", ".join(lock.relation for lock in one.locks if lock.mode == mode)
        yield Line(f"locks until it commits: {mode} on {tables}", Tone.FAINT, 2)


def _said(shown: Shown) -> Iterator[Block]:
    """Who looked at these bytes, and what they said."""
    yield from (Line(""), Line("reviews and approvals", Tone.STRONG))
    yield from _attested(shown.row.standing) or [Line("none yet of these bytes", Tone.FAINT, 1)]


def _attested(standing: Standing) -> list[Block]:
    blocks: list[Block] = []
    for said in sorted((*standing.reviews, *standing.objections, *standing.approvals), key=lambda said: said.seq):
        verdict = said.fields.get("verdict") or f"approved as {said.fields['role']}"
        comment = f": {said.fields['comment']}" if said.fields.get("comment") else ""
        tone = Tone.BAD if verdict == "request-changes" else Tone.GOOD
        blocks.append(Line(f"{said.actor}: {verdict}{comment}", tone, 1))
    return blocks


def _stands(shown: Shown) -> Iterator[Block]:
    """Who vouched for it, where it is applied, and its entries."""
    row = shown.row
    if said := _attested(row.standing):
        yield from (Line(""), Line("reviews and approvals", Tone.STRONG), *said)
    yield from (Line(""), Line("applied", Tone.STRONG), *_application_lines(row.applied))
    if shown.changed:
        yield from (Line(""), Line("what it changed in the schema", Tone.STRONG))
    for name, found in shown.changed.items():
        yield from [Line(f"{name}: {found}", Tone.FAINT, 1)] if isinstance(found, str) else changes(name, found)
    if shown.entries:
        yield from (Line(""), Line("entries", Tone.STRONG))
        yield from (Line(f"{e.seq:>4}  {e.at[:19]}Z  {e.kind}  {e.actor}", indent=1) for e in shown.entries)
    for said_too, why in row.standing.uncounted:
        yield Line(f"entry {said_too.seq} does not count: {why}", Tone.WARN, 1)
    if row.next:
        yield from (Line(""), Line(f"next: {row.next}"))


def _application_lines(applied: Mapping[str, Application | None]) -> list[Block]:
    found: list[Block] = []
    for name, item in applied.items():
        if item is None:
            found.append(Line(f"{name}: not applied", Tone.FAINT, 1))
        else:
            cell = applied_cell(item.state)
            found.append(Line(f"{name}: {cell.text} {item.at:%Y-%m-%d %H:%M} UTC by {item.by}", cell.tone, 1))
    return found
