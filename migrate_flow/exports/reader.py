"""Reads an exported file that somebody hands in: a jsonl or a bundle, for `verify FILE`.

Nothing in it is trusted, nothing is unpacked to a disk, and never more than one entry or artifact is held. A file that
can't be read is a UsageError that names the line or member; what was altered is noted in `damage`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from migrate_flow.core import canonical
from migrate_flow.core.audit import SCHEMA, Change, Selection
from migrate_flow.core.chain import Head
from migrate_flow.errors import UsageError
from migrate_flow.exports.bundle_reader import Bundle
from migrate_flow.services.file_evidence import JSONL, Claimed, Evidence
from migrate_flow.services.verify_chunk import COLUMNS, Row

if TYPE_CHECKING:
    from migrate_flow.services.verify_ledger import Problem

LONGEST_LINE = 16 << 20  # bytes; a statement holds digests of scripts, not scripts
_HASH = re.compile(r"[0-9a-f]{64}")
_KEYS = frozenset(COLUMNS)
_FILTERS = frozenset(field.name for field in fields(Selection))
_DERIVED = frozenset(  # fields of the header that the entries tell again
    {
        "project", "ledger", "genesis", "at", "as_of", "head", "selection", "first", "last", "entries", "counts",
        "left_out", "gaps",
    }
)  # fmt: skip
_EXPORT = "migrate-flow export --format bundle --output FILE, or --format jsonl, makes a file that can be verified"


@contextmanager
def opened(path: Path) -> Iterator[Evidence]:
    """Raises UsageError for what is no export that can be verified."""
    try:
        if path.exists() and not path.is_file():
            hint = "give the zip; in a folder with an unpacked one: python3 verify.py"
            raise UsageError(f"{path} is no file", hint=hint, where=str(path))
        with path.open("rb") as file:
            yield _evidence(file, str(path))
    except OSError as error:
        hint = "see that the file is there, and that you may read it"
        raise UsageError(f"{path} can't be read: {error.strerror}", hint=hint, where=str(path)) from error


def _evidence(file: BinaryIO, where: str) -> Evidence:
    start = file.read(4)
    file.seek(0)
    if start.startswith(b"PK"):
        return Bundle(file, where, claimed)
    if start.startswith(b"{"):
        return JsonLines(file, where)
    what = "it is empty" if not start else "it is neither a zip nor a jsonl of ours"
    raise UsageError(f"this is no export that can be verified: {what}", hint=_EXPORT, where=where)


class JsonLines:
    """Implements `Evidence`. The header, then one entry a line."""

    form = JSONL
    own_script = True
    own_readme: bool | None = None

    def __init__(self, file: BinaryIO, where: str) -> None:
        self._file, self.where = file, where
        self.damage: list[Problem] = []
        self.header = claimed(self._object(1, self._line(1)), where)

    def inspect(self) -> int:
        return 1

    def skeleton(self) -> Iterator[tuple[int, str, str, str]]:
        return iter(())

    def artifacts(self) -> Iterator[tuple[str, bytes]]:
        return iter(())

    def artifact(self, digest: str) -> bytes | None:
        del digest
        return None

    def unlike(self, changes: Iterable[Change]) -> Iterator[str]:
        del changes
        return iter(())

    def policies(self) -> list[tuple[int, str, bytes]]:
        return []

    def signers(self) -> bytes:
        return b""

    def rows(self) -> Iterator[Row]:
        self._file.seek(0)
        self._line(1)
        number = 1
        while line := self._line(number := number + 1):
            yield self._row(number, line)

    def _line(self, number: int) -> bytes:
        line = self._file.readline(LONGEST_LINE + 1)
        if len(line) > LONGEST_LINE:
            raise self._broken(number, f"it is longer than {LONGEST_LINE >> 20} MiB")
        return line

    def _object(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            value = canonical.loads(line)
        except ValueError as error:
            raise self._broken(number, f"it is no JSON ({_plain(error)})") from error
        if not isinstance(value, dict):
            raise self._broken(number, "it is no JSON object")
        return value

    def _row(self, number: int, line: bytes) -> Row:
        entry = self._object(number, line)
        if entry.keys() != _KEYS:
            odd = sorted(entry.keys() ^ _KEYS)
            raise self._broken(
                number, f"an entry has {', '.join(COLUMNS)} and nothing else; not right: {odd[0][:40]!r}"
            )
        seq, revision, environment = entry["seq"], entry["revision"], entry["environment"]
        texts = (entry[name] for name in ("prev", "hash", "statement", "signature", "kind", "actor", "at"))
        if type(seq) is not int or not 0 < seq < 1 << 53 or not all(isinstance(text, str) for text in texts):
            raise self._broken(number, "a value is of another type than an entry's")
        if not isinstance(revision, str | None) or not isinstance(environment, str | None):
            raise self._broken(number, "a value is of another type than an entry's")
        try:
            entry["statement"] = entry["statement"].encode()
        except UnicodeEncodeError as error:
            raise self._broken(number, "its statement is no text") from error
        return tuple(entry[name] for name in COLUMNS)

    def _broken(self, number: int, problem: str) -> UsageError:
        return UsageError(
            f"line {number} can't be read: {problem}",
            hint=f"sed -n {number}p FILE | head -c 300 shows it; get the file again from whoever exported it",
            where=f"{self.where}:{number}",
        )


def claimed(document: Mapping[str, Any], where: str) -> Claimed:
    """What the first line, or header.json, says. Raises UsageError for a schema that is not ours."""
    schema = document.get("schema")
    if schema != SCHEMA:
        newer = isinstance(schema, str) and schema.startswith(SCHEMA.rpartition("/")[0])
        raise UsageError(
            f"its schema is {str(schema)[:60]!r}, this version reads {SCHEMA}",
            hint="pip install --upgrade migrate-flow: a newer version wrote it" if newer else _EXPORT,
            where=where,
        )
    try:
        header = document["header"]
        selection = {name: value for name, value in header["selection"].items() if value}
        if odd := selection.keys() - _FILTERS:
            raise ValueError(f"no filter of this version is named {json.dumps(min(odd))[:40]}")
        return Claimed(
            product=_text(header["product"]),
            project=_text(header["project"]),
            ledger=_text(header["ledger"]),
            genesis=_hash(header["genesis"]),
            head=Head(_count(header["as_of"]), _hash(header["head"])),
            at=_text(header["at"]),
            entries=_count(header["entries"]),
            first=_count(header["first"]),
            last=_count(header["last"]),
            left_out=_count(header["left_out"]),
            counts={_text(kind): _count(number) for kind, number in header["counts"].items()},
            gaps=tuple((_count(start), _count(end)) for start, end in header["gaps"]),
            selection={name: _text(value) for name, value in selection.items()},
            unsigned=tuple(name for name in (*header, *document) if name not in _DERIVED | {"schema", "header"}),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"its header is not one of ours: {_plain(error)}",
            hint="get the file again from whoever exported it",
            where=where,
        ) from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{json.dumps(value)[:40]} where text belongs")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise TypeError(f"{json.dumps(value)[:40]} where a number belongs")
    return value


def _hash(value: Any) -> str:
    digits = _text(value).removeprefix("sha256:")
    if not _HASH.fullmatch(digits):
        raise ValueError("a hash is not 64 hex digits")
    return digits


def _plain(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)[:120]
