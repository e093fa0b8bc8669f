"""`table` for a terminal, by Rich: in colours, and wrapped at its width."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from pygments.token import Comment, Keyword, Number, String, Token
from rich.console import Console
from rich.style import Style
from rich.syntax import ANSISyntaxTheme, Syntax
from rich.text import Text

from migrate_flow.core.document import Block, Cell, Code, Document, Fields, Heading, Line, Table, Tone
from migrate_flow.core.text import safe
from migrate_flow.formats import _tables
from migrate_flow.formats._wrapped import breaks, wrapped

if TYPE_CHECKING:
    from migrate_flow.formats import Medium

_WIDE = 10_000
_INDENT = 2
# Yellow can't be read on white, nor blue on black: these can on both.
_STYLES = {
    Tone.PLAIN: "",
    Tone.GOOD: "green",
    Tone.BAD: "bold red",
    Tone.WARN: "magenta",
    Tone.FAINT: "dim",
    Tone.STRONG: "bold",
}
_THEME = ANSISyntaxTheme(
    {
        Token: Style(),
        Comment: Style(dim=True),
        Keyword: Style(bold=True),
        String: Style(color="green"),
        Number: Style(color="magenta"),
    }
)
_COPIED = "toml"  # into a file: no line of it is broken


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
            for row in _tables.rows(block, medium.width):
                line = Text().join(Text(text, style=_STYLES[tone]) for text, tone in row)
                console.print(line, soft_wrap=True)
        case Code(text, language):
            _code(console, text, language, medium)


def _line(console: Console, cell: Cell, indent: str, medium: Medium, label: str = "") -> None:
    """Prose wraps with a hanging indent; without a width it is one line."""
    style = _STYLES[cell.tone]
    if not medium.width:
        console.print(Text(indent + label) + Text(safe(cell.text), style=style), soft_wrap=True)
        return
    first = indent + label
    for line in wrapped(safe(cell.text), medium.width, first):
        console.print(Text(line[: len(first)]) + Text(line[len(first) :], style=style), soft_wrap=True)


def _code(console: Console, text: str, language: str, medium: Medium) -> None:
    shown = Text(safe(text, lines=True))
    if medium.color and language:
        shown = Syntax("", language, theme=_THEME, background_color="default").highlight(shown.plain)
    for written in shown.split("\n") if shown.plain else ():
        line = Text(" " * _INDENT) + written
        line.expand_tabs(8)
        below = len(line.plain) - len(line.plain.lstrip()) + (_INDENT if language else 0)  # prose does not hang
        fits = not medium.width or language == _COPIED or line.cell_len <= medium.width
        first, *others = [line] if fits else line.divide(breaks(line.plain, max(20, medium.width - below)))
        console.print(first, soft_wrap=True)
        for part in others:
            console.print(Text(" " * below) + part, soft_wrap=True)
