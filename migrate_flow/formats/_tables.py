"""How a table is laid out on a terminal: what has to be copied is never cut, and nothing is lost but the end of a long
message."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import set_cell_size

from migrate_flow.core.document import Cell, Table, Tone
from migrate_flow.core.text import safe
from migrate_flow.formats._wrapped import breaks
from migrate_flow.formats.table import GAP, columns

Row = list[tuple[str, Tone]]  # the parts of a line, in their tones
_ROOMY, _LEAST = 16, 8  # columns of a message: with which a table is left as it is, and without which it is none
_BELOW = 4  # spaces before what did not fit beside


def rows(table: Table, width: int) -> Iterator[Row]:
    """The lines, the header first. width: of the terminal, 0 for no limit. In this order: as it is; with a shorter
    flexible column; with marks in the last columns; or each row as several lines."""
    table = Table(
        tuple(safe(name) for name in table.columns),
        tuple(tuple(Cell(safe(cell.text), cell.tone, cell.brief) for cell in row) for row in table.rows),
        table.flexible,
    )
    widths = [max(columns(text) for text in column) for column in _texts(table)]
    spare = width - sum(widths) - GAP * (len(widths) - 1) if width else 0
    if spare >= 0:
        yield from _plain(table, widths)
        return
    flexible = table.flexible
    room = widths[flexible] + spare if flexible >= 0 else 0
    briefs = [number for number in range(len(widths)) if any(row[number].brief for row in table.rows)]
    if room >= (_ROOMY if briefs else _LEAST):
        widths[flexible] = room
        yield from _plain(table, widths)
        return
    if briefs:
        names = [table.columns[number] for number in briefs]
        taken = max(2 * place + columns(name) for place, name in enumerate(names))
        others = sum(widths[number] + GAP for number in range(briefs[0]) if number != flexible)
        room = width - taken - others - GAP
        if room >= _LEAST:
            widths[flexible] = min(room, widths[flexible])
            yield from _marked(table, widths, briefs[0])
            return
    yield from _parted(table, widths, width)


def _texts(table: Table) -> list[list[str]]:
    return [[name, *(row[number].text for row in table.rows)] for number, name in enumerate(table.columns)]


def _plain(table: Table, widths: list[int]) -> Iterator[Row]:
    for row in _with_header(table):
        yield [part for cell, width in zip(row, widths, strict=True) for part in _fitted(cell, width)]


def _with_header(table: Table) -> list[tuple[Cell, ...]]:
    return [tuple(Cell(name, Tone.FAINT) for name in table.columns), *table.rows]


def _fitted(cell: Cell, width: int) -> Row:
    text = cell.text
    if columns(text) > width:
        text = set_cell_size(text, width - 1).rstrip() + "…"
    return [(text, cell.tone), (" " * (width - columns(text) + GAP), Tone.PLAIN)]


def _marked(table: Table, widths: list[int], first: int) -> Iterator[Row]:
    """The names of the last columns stand one above the other, each over its marks."""
    names = table.columns[first:]
    left = " " * sum(width + GAP for width in widths[:first])
    for number, name in enumerate(names[:-1]):
        yield [(left + "│ " * number + name, Tone.FAINT)]
    meanings: dict[str, str] = {}
    for number, row in enumerate(_with_header(table)):
        line = [part for cell, width in zip(row[:first], widths[:first], strict=True) for part in _fitted(cell, width)]
        if number == 0:
            line.append(("│ " * (len(names) - 1) + names[-1], Tone.FAINT))
        else:
            for cell in row[first:]:
                line += [(cell.brief or cell.text, cell.tone), (" ", Tone.PLAIN)]
                if cell.brief != cell.text:
                    meanings[cell.brief] = cell.text
        yield line
    if meanings:
        yield [("", Tone.PLAIN)]
        yield [("  ".join(f"{mark} {text}" for mark, text in meanings.items()), Tone.FAINT)]


def _parted(table: Table, widths: list[int], width: int) -> Iterator[Row]:
    """What does not fit beside stands below, and the flexible column wraps."""
    groups: list[list[int]] = [[]]
    used = 0
    for number, natural in enumerate(widths):
        need = min(natural, 3 * _LEAST) if number == table.flexible else natural
        if groups[-1] and used + need > width:
            groups.append([])
            used = _BELOW
        groups[-1].append(number)
        used += need + GAP
    for row in _with_header(table):
        for place, group in enumerate(groups):
            indent = " " * (_BELOW if place else 0)
            others = sum(widths[number] + GAP for number in group if number != table.flexible)
            room = max(_LEAST, width - len(indent) - others)
            yield from _group(row, group, widths, indent, table.flexible, room)


def _group(
    row: tuple[Cell, ...], group: list[int], widths: list[int], indent: str, flexible: int, room: int
) -> Iterator[Row]:
    line: Row = [(indent, Tone.PLAIN)]
    below: list[Row] = []
    used = len(indent)
    for number in group:
        cell = row[number]
        if number != flexible:
            line += _fitted(cell, widths[number])
            used += widths[number] + GAP
            continue
        ends = breaks(cell.text, room)
        parts = [cell.text[a:b] for a, b in zip([0, *ends], [*ends, len(cell.text)], strict=True)]
        first = parts[0].rstrip()  # a word that is too long stays whole: it may be there to be copied
        line += [(first, cell.tone), (" " * (max(0, min(room, widths[number]) - columns(first)) + GAP), Tone.PLAIN)]
        below = [[(" " * used + part, cell.tone)] for part in parts[1:]]
    yield line
    yield from below
