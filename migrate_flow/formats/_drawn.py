"""`table` for a terminal, by Rich: in colours, and wrapped at its width."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table as RichTable
from rich.text import Text

from migrate_flow.core.document import Block, Cell, Code, Document, Fields, Heading, Line, Table, Tone
from migrate_flow.core.text import safe
from migrate_flow.formats.table import GAP, columns

if TYPE_CHECKING:
    from migrate_flow.formats import Medium

_WIDE = 10_000
_LEAST = 8
_STYLES = {
    Tone.PLAIN: "",
    Tone.GOOD: "green",
    Tone.BAD: "bold red",
    Tone.WARN: "yellow",
    Tone.FAINT: "dim",
    Tone.STRONG: "bold",
}


def render(document: Document, medium: Medium) -> None:
    """Wraps at the medium's width; without a width every line stays whole."""
    buffer = io.StringIO()
    console = Console(
        file=buffer,
        width=medium.width or _WIDE,
        force_terminal=medium.color,
        no_color=not medium.color,
        color_system="standard" if medium.color else None,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
    )
    for block in document.blocks:
        _block(console, block, medium)
    for line in buffer.getvalue().splitlines():
        medium.stream.write(line.rstrip() + "\n")


def _block(console: Console, block: Block, medium: Medium) -> None:
    match block:
        case Heading(text):
            _line(console, Cell(text, Tone.STRONG), "", medium)
        case Line(text, tone, indent):
            _line(console, Cell(text, tone), "  " * indent, medium)
        case Fields(pairs):
            width = max((len(label) for label, _ in pairs), default=0) + 2
            for label, cell in pairs:
                _line(console, cell, "", medium, label=f"{label}:".ljust(width))
        case Table():
            console.print(_table(block, medium), soft_wrap=not medium.width)
        case Code(text, language):
            _code(console, text, language, medium)


def _line(console: Console, cell: Cell, indent: str, medium: Medium, label: str = "") -> None:
    """Prose wraps with a hanging indent; without a width it is one line."""
    hang = " " * (len(indent) + len(label))
    text = _text(cell)
    if not medium.width:
        console.print(Text(indent + label) + text, soft_wrap=True)
        return
    room = max(20, medium.width - len(hang))
    for number, part in enumerate(text.wrap(console, room)):
        part.rstrip()
        console.print(Text((indent + label) if number == 0 else hang) + part, soft_wrap=True)


def _table(block: Table, medium: Medium) -> RichTable:
    """The flexible column takes what the others leave; only where that is not enough, all of them give way."""
    table = RichTable(box=None, pad_edge=False, header_style="dim", show_edge=False, padding=(0, GAP, 0, 0))
    widths = _natural_widths(block)
    others = sum(width + GAP for number, width in enumerate(widths) if number != block.flexible)
    room = medium.width - others if medium.width else _WIDE
    for number, name in enumerate(block.columns):
        fixed = number != block.flexible and room >= _LEAST
        table.add_column(
            safe(name),
            no_wrap=True,
            overflow="ellipsis",
            min_width=widths[number] if fixed else None,
            max_width=max(_LEAST, room) if number == block.flexible else None,
        )
    for row in block.rows:
        table.add_row(*(_text(cell) for cell in row))
    return table


def _natural_widths(block: Table) -> list[int]:
    texts = [[name, *(row[number].text for row in block.rows)] for number, name in enumerate(block.columns)]
    return [max(columns(safe(text)) for text in column) for column in texts]


def _code(console: Console, text: str, language: str, medium: Medium) -> None:
    clean = safe(text, lines=True)
    if medium.color and language:
        console.print(Syntax(clean, language, theme="ansi_dark", background_color="default", word_wrap=True))
        return
    for line in clean.splitlines():
        console.print(Text(f"  {line}"), soft_wrap=True)


def _text(cell: Cell) -> Text:
    return Text(safe(cell.text), style=_STYLES[cell.tone])
