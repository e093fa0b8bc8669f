"""Rehearsals as a document."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from migrate_flow.core.document import Block, Cell, Document, Line, Table, Tone
from migrate_flow.core.rehearsal import Grade, Rehearsal
from migrate_flow.services.schema import difference_fields

if TYPE_CHECKING:
    from migrate_flow.core.evidence import Evidence
    from migrate_flow.services.rehearse import Rehearsed

_TONES = {Grade.LOSSLESS: Tone.GOOD, Grade.LOSSY: Tone.WARN, Grade.IRREVERSIBLE: Tone.BAD}
MOST_DIFFERENCES = 12


def rehearsed(report: Rehearsed) -> Document:
    data = {"findings": [], "rehearsals": rehearsal_values(report)}
    return Document("rehearse", data, tuple(rehearsal_blocks(report)))


def rehearsal_values(report: Rehearsed) -> list[dict[str, Any]]:
    return [
        {**_values(one), "path": report.paths[one.revision], "accepted": one.revision in report.accepted}
        for one in report.rehearsals
    ]


def _values(one: Rehearsal) -> dict[str, Any]:
    sent = one.sent or {}
    return {
        "revision": one.revision,
        "dialect": one.dialect,
        "server": one.server,
        "upgrade": one.upgrade,
        "downgrade": one.downgrade,
        "reupgrade": one.reupgrade,
        "schema_restored": one.schema_restored,
        "reupgrade_same": one.reupgrade_same,
        "rows_restored": one.rows_restored,
        "schema_changed": one.schema_changed,
        "changes": None if one.changes is None else difference_fields(one.changes),
        "grade": one.grade.value if one.grade else None,
        "differences": difference_fields(one.differences),
        "notes": list(one.notes),
        "error": one.error or None,
        "lost": list(one.lost),
        "locks": [{"relation": k.relation, "mode": k.mode, "seconds": k.seconds} for k in one.locks],
        "statements": {
            direction: [{"sql": s.text, "line": s.line, "seconds": s.seconds} for s in said]
            for direction, said in sent.items()
        },
        "manifest": one.manifest,
        "base": one.base,
        "duration_s": one.seconds,
    }  # fmt: skip


def rehearsal_blocks(report: Rehearsed) -> Iterator[Block]:
    rehearsals, accepted = report.rehearsals, report.accepted
    if not rehearsals:
        yield Line("nothing to rehearse", Tone.FAINT)
        return
    yield Table(
        ("REVISION", "ON", "UP", "DOWN", "UP AGAIN", "RESTORED", "GRADE"),
        tuple(
            (
                Cell(one.revision, Tone.STRONG), Cell(one.dialect), _mark(one.upgrade), _mark(one.downgrade),
                _mark(one.reupgrade), _mark(one.schema_restored), _grade(one, accepted),
            )
            for one in rehearsals
        ),
    )  # fmt: skip
    for one in rehearsals:
        yield from _details(one)
    good = sum(one.ok or one.revision in accepted for one in rehearsals)
    tone = Tone.GOOD if good == len(rehearsals) else Tone.BAD
    yield Line(f"{good} of {len(rehearsals)} can be undone", tone)


def evidence_values(found: Evidence) -> dict[str, Any]:
    """What entries hold of checks."""
    return {
        "lint": [
            {
                "seq": one.seq, "by": one.by, "at": one.at, "rule_set": one.rule_set, "squawk": one.squawk or None,
                "errors": one.errors, "warnings": one.warnings, "waived": one.waived,
            }
            for one in found.lint
        ],
        "rehearsals": [
            {
                "seq": one.seq, "by": one.by, "at": one.at, "dialect": one.dialect, "server": one.server,
                "grade": one.grade or None, "lost": list(one.lost), "error": one.error or None,
            }
            for one in found.rehearsals
        ],
    }  # fmt: skip


def _details(one: Rehearsal) -> Iterator[Block]:
    if not (one.error or one.notes or one.locks):
        return
    yield Line("")
    yield Line(f"{one.revision} on {one.dialect}", Tone.STRONG)
    if one.error:
        yield Line(one.error, Tone.BAD, 1)
    for difference in one.differences[:MOST_DIFFERENCES]:
        yield Line(f"{difference.change}: {difference.object}", Tone.WARN, 1)
        if difference.change == "changed":
            yield Line(f"before  {difference.expected}", indent=2)
            yield Line(f"after   {difference.observed}", indent=2)
    if len(one.differences) > MOST_DIFFERENCES:
        yield Line(f"and {len(one.differences) - MOST_DIFFERENCES} more (--format json)", Tone.FAINT, 1)
    for note in one.notes:
        yield Line(note, Tone.FAINT, 1)
    modes = sorted({lock.mode for lock in one.locks})
    for mode in modes:
        tables = ", ".join(lock.relation for lock in one.locks if lock.mode == mode)
        yield Line(f"locks until it commits: {mode} on {tables}", Tone.FAINT, 1)


def _mark(value: bool | None) -> Cell:
    if value is None:
        return Cell("-", Tone.FAINT)
    return Cell("yes", Tone.GOOD) if value else Cell("NO", Tone.BAD)


def _grade(one: Rehearsal, accepted: Collection[str]) -> Cell:
    if one.grade is None:
        return Cell("not rehearsed", Tone.BAD)
    if one.revision in accepted:
        return Cell(f"{one.grade} (waived)", Tone.WARN)
    return Cell(one.grade.value, _TONES[one.grade])
