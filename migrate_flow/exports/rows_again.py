"""The lines of a changes.csv, held against those that its entries make."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from migrate_flow.exports.cells import neutral
from migrate_flow.exports.columns import COLUMNS, about_export

if TYPE_CHECKING:
    from migrate_flow.core.audit import Change, Header

LONGEST_LINE = 16 << 20  # bytes
# What is a ticket, a configuration says, which no file holds.
_UNTOLD = next(number for number, column in enumerate(COLUMNS) if column.name == "ticket")


def unlike(lines: Iterator[str], changes: Iterable[Change], header: Header) -> Iterator[str]:
    """In words, each line that is not as it must be. lines: of the file, without their line feeds."""
    about = about_export(header)
    last = [neutral(text) for text in about.values()]
    names = [*(column.name for column in COLUMNS), *about]
    rows = ([*(neutral(column.value(change)) for column in COLUMNS), *last] for change in changes)
    number = 0
    for number, wanted in enumerate(chain([names], rows), start=1):
        line = next(lines, None)
        if line is None:
            yield f"changes.csv ends before line {number}: the entries make more of them"
            return
        if line != _line(wanted) and line != _line(_with_ticket(wanted, line)):
            where = f"{wanted[0]} in {wanted[1]}" if wanted[1] else wanted[0]
            yield f"changes.csv: line {number} is not what the entries make it ({where})"
    if next(lines, None) is not None:
        yield f"changes.csv has more than the {number} lines that the entries make"


def _with_ticket(wanted: Sequence[str], line: str) -> list[str]:
    csv.field_size_limit(LONGEST_LINE)
    try:
        found = next(csv.reader([line], strict=True), [])
    except csv.Error:
        found = []
    ticket = found[_UNTOLD] if len(found) == len(wanted) else ""
    return [*wanted[:_UNTOLD], neutral(ticket), *wanted[_UNTOLD + 1 :]]


def _line(cells: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue().removesuffix("\n")
