"""`export`: what was written, said beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from migrate_flow.core.document import Block, Document, Line, Tone

if TYPE_CHECKING:
    from migrate_flow.services.export import Export


def exported(done: Export, format_name: str, output: Path) -> Document:
    header = done.header
    data = {
        "file": str(output),
        "format": format_name,
        "entries": header.entries,
        "left_out": header.left_out,
        "as_of": {"seq": header.as_of, "hash": header.head},
        "recorded": done.seq or None,
        "reconciliation": [
            {"environment": one.environment, "agrees": one.agrees, "reason": one.reason}
            for one in header.reconciliation
        ],
    }
    entries = f"{header.entries} entr{'y' if header.entries == 1 else 'ies'}"
    left = f", {header.left_out} left out by the selection" if header.left_out else ""
    recorded = f"; recorded as entry {done.seq}" if done.seq else "; not recorded"
    blocks: list[Block] = [
        Line(f"wrote {output}: {entries}{left}{recorded}", Tone.GOOD),
        Line(f"head: {header.as_of}:{header.head}", Tone.FAINT),
    ]
    for one in header.reconciliation:
        if one.agrees:
            blocks.append(Line(f"✓ {one.environment}: ledger and version table agree", Tone.GOOD))
        else:
            tone = Tone.WARN if one.agrees is None else Tone.BAD
            blocks.append(Line(f"{'!' if one.agrees is None else '✗'} {one.environment}: {one.reason}", tone))
    return Document("export", data, tuple(blocks))
