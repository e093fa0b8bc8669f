"""Text for people, sanitised first. A terminal gets it drawn; a file, a pipe or a log gets plain lines, and needs no
Rich for that."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate_flow.core.document import Block, Code, Document, Fields, Heading, Line, Table
from migrate_flow.core.text import safe

if TYPE_CHECKING:
    from migrate_flow.formats import Medium

GAP = 2
_TAB = 8
# Of each of these it is known that it takes one column.
_NARROW = re.compile("[ -~\u00a1-\u00ac\u00ae-\u02ff\u2010-\u2027\u2190-\u2193\u2500-\u25fc]*")


def render(document: Document, medium: Medium) -> None:
    """Wraps at the medium's width; without a width every line stays whole."""
    if medium.width or medium.color:
        from migrate_flow.formats import _drawn

        _drawn.render(document, medium)
        return
    for block in document.blocks:
        for line in _lines(block):
            medium.stream.write(line.rstrip() + "\n")


def columns(text: str) -> int:
    """How many columns of a terminal the text takes."""
    if _NARROW.fullmatch(text):
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _lines(block: Block) -> Iterator[str]:
    match block:
        case Heading(text):
            yield safe(text)
        case Line(text, _, indent):
            yield "  " * indent + safe(text)
        case Fields(pairs):
            width = max((len(label) for label, _ in pairs), default=0) + GAP
            for label, cell in pairs:
                yield f"{label}:".ljust(width) + safe(cell.text)
        case Table():
            yield from _rows(block)
        case Code(text):
            for line in safe(text, lines=True).splitlines():
                yield _without_tabs(f"  {line}")


def _without_tabs(line: str) -> str:
    *before, last = line.split("\t")
    done = ""
    for part in before:
        done += part
        done += " " * (_TAB - columns(done) % _TAB)
    return done + last


def _rows(table: Table) -> Iterator[str]:
    names = [safe(name) for name in table.columns]
    widths, rows = [columns(name) for name in names], [names]
    for row in table.rows:
        texts = [safe(cell.text) for cell in row]
        rows.append(texts)
        widths = list(map(max, widths, map(columns, texts)))
    for texts in rows:
        line = (text + " " * (width + GAP - columns(text)) for text, width in zip(texts, widths, strict=True))
        yield "".join(line)
