"""Comma-separated values as RFC 4180 has them, in UTF-8: one row a change. For the columns see `columns`."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, BinaryIO

from migrate_flow.exports.cells import neutral
from migrate_flow.exports.columns import COLUMNS, about_export

if TYPE_CHECKING:
    from migrate_flow.exports import Exported


def write(export: Exported, out: BinaryIO) -> None:
    about = about_export(export.header)
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=False)
    try:
        writer = csv.writer(text)
        writer.writerow([*(column.name for column in COLUMNS), *about])
        last = [neutral(value) for value in about.values()]
        for change in export.changes():
            writer.writerow([*(neutral(column.value(change)) for column in COLUMNS), *last])
        text.flush()
    finally:
        text.detach()
