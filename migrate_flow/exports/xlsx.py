"""A workbook: the changes, what to look at first, and what the export is. Every cell is text; nothing is calculated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from xlsxwriter import Workbook

from migrate_flow.core.entry import parse_time
from migrate_flow.errors import UsageError
from migrate_flow.exports.cells import plain
from migrate_flow.exports.columns import COLUMNS, about_export, scope

if TYPE_CHECKING:
    from migrate_flow.core.audit import Header
    from migrate_flow.exports import Exported

_LONGEST = 32_767  # characters of a cell; Excel's
_ROWS = 1_048_575  # below the headings; Excel's
_ALL_AS_TEXT = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}


def write(export: Exported, out: BinaryIO) -> None:
    """Raises UsageError for more than a sheet takes."""
    # A pipe can't be gone back in, and whoever closes one early is not the library's to complain of.
    with TemporaryFile() as file:
        _write(export, file)
        file.seek(0)
        copyfileobj(file, out)


def _write(export: Exported, file: IO[bytes]) -> None:
    """The rows go to temporary files first, one after the other."""
    header = export.header
    book = Workbook(file, _ALL_AS_TEXT)
    # The only time in the file, and no clock's.
    book.set_properties({"title": f"{header.project}: changes", "created": _time(header.at)})
    bold, wrapped = book.add_format({"bold": True, "valign": "top"}), book.add_format({"valign": "top"})
    about = about_export(header)
    names = [*(column.name for column in COLUMNS), *about]
    widths = [*(column.width for column in COLUMNS), *(16 for _ in about)]
    exceptions: list[tuple[str, str, str]] = []

    def rows() -> Iterator[list[str]]:
        for change in export.changes():
            exceptions.extend((change.revision, change.environment, text) for text in change.exceptions)
            yield [*(column.value(change) for column in COLUMNS), *about.values()]

    _sheet(book, "Changes", names, widths, rows(), (bold, wrapped))
    _sheet(book, "Exceptions", ["revision", "environment", "exception"], [16, 16, 120], exceptions, (bold, wrapped))
    _sheet(book, "Export", ["what", "value"], [24, 120], _about(header), (bold, wrapped))
    book.close()


def _sheet(
    book: Any, name: str, names: list[str], widths: list[int], rows: Iterable[Iterable[str]], formats: tuple[Any, Any]
) -> None:
    sheet = book.add_worksheet(name)
    for number, width in enumerate(widths):
        sheet.set_column(number, number, width)
    sheet.freeze_panes(1, 1)
    last = 0
    for number, text in enumerate(names):
        sheet.write_string(0, number, text, formats[0])
    for last, row in enumerate(rows, start=1):
        if last > _ROWS:
            raise UsageError(
                f"a sheet takes {_ROWS} rows", hint="--format csv, or a part: --since TIME", where="--format"
            )
        for number, text in enumerate(row):
            if text:
                sheet.write_string(last, number, _cell(text), formats[1])
    sheet.autofilter(0, 0, last, len(names) - 1)


def _cell(text: str) -> str:
    text = plain(text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 30]}… (cut: see jsonl or csv)"


def _about(header: Header) -> Iterator[tuple[str, str]]:
    yield "made by", header.product
    yield "project", header.project
    yield "ledger", header.ledger
    yield "genesis", header.genesis
    yield "exported by", header.by or "somebody without a key"
    yield "recorded in the ledger", "yes" if header.recorded else "no"
    yield "time of the newest entry (UTC)", header.at
    yield "exported up to", f"{header.as_of}:{header.head}"
    yield "selection", about_export(header)["selection"]
    if beside := scope(header):
        yield "databases and notices", beside
    yield "first and last entry", f"{header.first} to {header.last}"
    yield "entries", str(header.entries)
    yield "left out by the selection", str(header.left_out)
    for start, end in header.gaps:
        yield "left out", f"{start} to {end}"
    for kind, count in header.counts.items():
        yield kind, str(count)
    for one in header.reconciliation:
        yield f"version table of {one.environment}", "agrees with the ledger" if one.agrees else one.reason
    for text in header.notices:
        yield "notice", text


def _time(text: str) -> datetime:
    try:
        return parse_time(text)
    except ValueError:  # whoever signed it, signed no time
        return datetime(1980, 1, 1, tzinfo=UTC)
