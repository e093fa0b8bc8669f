"""Markdown: the export, the controls, the exceptions, then a section for each migration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from migrate_flow.core.audit import CONTROLS, Header
from migrate_flow.exports.cells import plain, yes_no
from migrate_flow.exports.columns import COLUMNS, about_export, scope

if TYPE_CHECKING:
    from migrate_flow.exports import Exported

# What could be markup, HTML and links included, anywhere in a line; and what is one at its beginning alone.
_MARKUP = re.compile(r"([\\`*_{}\[\]<>|~&$]|:(?=//)|(?<=www)\.)", re.I)
_BEGINNING = re.compile(r"^(\d*)([-+#=.):])")
_HEADINGS = ("revision", "environment", "message", "exceptions")


def write(export: Exported, out: BinaryIO) -> None:
    for line in _lines(export):
        out.write(line.encode() + b"\n")


def escaped(text: str) -> str:
    """One line that Markdown takes for text and nothing else."""
    return _BEGINNING.sub(r"\1\\\2", _MARKUP.sub(r"\\\1", plain(text).strip()))


def _lines(export: Exported) -> Iterator[str]:
    header = export.header
    yield f"# {escaped(header.project)}: migrations and their evidence"
    yield ""
    yield from _about(header)
    found = [[0, 0, 0] for _ in CONTROLS]
    exceptions: list[tuple[str, str, tuple[str, ...]]] = []
    rows = 0
    for change in export.changes():
        rows += 1
        for counts, (name, _title, _meaning) in zip(found, CONTROLS, strict=True):
            holds = getattr(change, name)
            counts[2 if holds is None else 0 if holds else 1] += 1
        if change.exceptions:
            exceptions.append((change.revision, change.environment, change.exceptions))
    yield "## Controls"
    yield ""
    yield "| control | holds | does not hold | not asked |"
    yield "|---|---|---|---|"
    for counts, (_name, title, _meaning) in zip(found, CONTROLS, strict=True):
        yield f"| {title} | {counts[0]} | {counts[1]} | {counts[2]} |"
    yield ""
    yield f"Of {rows} changes; each is one migration in one environment."
    yield ""
    yield "## Exceptions"
    yield ""
    if not exceptions:
        yield "None."
        yield ""
    for revision, environment, texts in exceptions:
        yield f"- **{escaped(revision)}**{' in ' + escaped(environment) if environment else ''}"
        yield from (f"  - {escaped(text)}" for text in texts)
    if exceptions:
        yield ""
    yield from _changes(export)


def _about(header: Header) -> Iterator[str]:
    chosen = about_export(header)["selection"]
    yield f"- Exported by: {escaped(header.by) or 'somebody without a key'}"
    yield f"- Recorded in the ledger: {yes_no(header.recorded)}"
    yield f"- Ledger: {escaped(header.ledger)}, genesis {escaped(header.genesis)}"
    yield f"- Up to: {header.as_of}:{escaped(header.head)}, of {escaped(header.at)}"
    yield f"- Selection: {escaped(chosen)}"
    if beside := scope(header):
        yield f"- Databases and notices: {beside}"
    yield f"- Entries: {header.entries}, from {header.first} to {header.last}; left out: {header.left_out}"
    if header.gaps:
        gaps = ", ".join(str(start) if start == end else f"{start} to {end}" for start, end in header.gaps)
        yield f"- Positions that are left out: {gaps}"
    yield f"- Made by: {escaped(header.product)}"
    yield ""
    if header.reconciliation:
        yield "| environment | ledger and version table |"
        yield "|---|---|"
        for one in header.reconciliation:
            yield f"| {escaped(one.environment)} | {'agree' if one.agrees else escaped(one.reason)} |"
        yield ""
    for text in header.notices:
        yield f"- {escaped(text)}"
    if header.notices:
        yield ""


def _changes(export: Exported) -> Iterator[str]:
    """Every field that holds something."""
    yield "## Changes"
    revision = ""
    for change in export.changes():
        if change.revision != revision:
            revision = change.revision
            yield ""
            yield f"### {escaped(revision)}: {escaped(change.message)}"
        yield ""
        yield f"#### {escaped(change.environment) or 'applied nowhere yet'}"
        yield ""
        for text in change.exceptions:
            yield f"- **Exception: {escaped(text)}**"
        for column in COLUMNS:
            value = column.value(change)
            if value and column.name not in _HEADINGS:
                yield f"- {column.name}: {escaped(value)}"
