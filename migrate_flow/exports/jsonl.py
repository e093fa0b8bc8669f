"""JSON Lines: the header, then every selected entry with the exact text of its statement."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

from migrate_flow.core.audit import SCHEMA, Header
from migrate_flow.errors import LedgerError
from migrate_flow.services.verify_chunk import COLUMNS

if TYPE_CHECKING:
    from migrate_flow.exports import Exported

_OPTIONS = orjson.OPT_APPEND_NEWLINE
_AT_ONCE = 1 << 20  # bytes


def write(export: Exported, out: BinaryIO) -> None:
    """Never holds more than a megabyte of it. The keys of a line are the fields of an entry, in their order."""
    out.write(orjson.dumps({"schema": SCHEMA, "header": header_values(export.header)}, option=_OPTIONS))
    waiting = bytearray()
    for entry in export.entries():
        held = vars(entry)  # and what was decoded of it, where somebody asked
        values = held if len(held) == len(COLUMNS) else {name: held[name] for name in COLUMNS}
        try:
            text = entry.statement.decode()
        except UnicodeDecodeError as error:
            raise LedgerError(
                f"the ledger can't be trusted: entry {entry.seq} is no UTF-8",
                hint="migrate-flow ledger verify; restore a backup",
            ) from error
        waiting += orjson.dumps(values | {"statement": text}, option=_OPTIONS)
        if len(waiting) > _AT_ONCE:
            out.write(waiting)
            waiting = bytearray()
    out.write(waiting)


def header_values(header: Header) -> dict[str, Any]:
    """Every field, in the order of the class."""
    return asdict(header)
