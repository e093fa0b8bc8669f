"""What an entry's row shows by itself: its types, hash, signature, form and columns. Without state, so any process
can judge any row; what depends on the entries before it is left to `verify_ledger`.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from migrate_flow.core import canonical
from migrate_flow.core.chain import link
from migrate_flow.core.entry import known_kind

COLUMNS = ("seq", "prev", "hash", "statement", "signature", "kind", "revision", "environment", "actor", "at")
PROJECTED = COLUMNS[5:]

Row = Sequence[Any]  # the values of COLUMNS, of whatever types are stored
Check = Callable[[bytes, str], str]  # `Verifier.verify`
Answer = list[tuple[Sequence[str], str]]
ROWS_AT_ONCE = 1024
BYTES_AT_ONCE = 2 << 20
_RARELY = (50_000, 20, 100)  # gc.set_threshold


@dataclass(slots=True)
class Judged:
    """problems: plain sentences. key: whose signature it is, empty if it is nobody's. document: the statement, decoded;
    None where it can't be."""

    problems: Sequence[str]
    key: str
    document: Any


@contextmanager
def rare_collections() -> Iterator[None]:
    """What is decoded makes no cycles: to look for some in all that is kept would take a tenth of the whole time."""
    before = gc.get_threshold()
    gc.set_threshold(*_RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """The rows in parts that are bounded in number and, but for a single huge row, in bytes."""
    part: list[Row] = []
    size = 0
    for row in rows:
        part.append(row)
        statement = row[3]
        size += len(statement) if isinstance(statement, (bytes, str)) else 0
        if len(part) >= ROWS_AT_ONCE or size >= BYTES_AT_ONCE:
            yield part
            part, size = [], 0
    if part:
        yield part


def judge_chunk(rows: Sequence[Row], check: Check) -> Answer:
    """Problems and key of each row: what goes back from another process, which needs no document."""
    return [(judged.problems, judged.key) for judged in judge_rows(rows, check)]


def judge_rows(rows: Sequence[Row], check: Check) -> list[Judged]:
    """What each row shows. All signatures come first: verifying one drives other code out of the processor's caches,
    and taking turns with each row would cost a tenth of the whole time."""
    signers = [_signer(row, check) for row in rows]
    return [_judge(row, signer) for row, signer in zip(rows, signers, strict=True)]


def judge(row: Row, check: Check) -> Judged:
    """Never raises for what a row may hold."""
    return _judge(row, _signer(row, check))


def _signer(row: Row, check: Check) -> tuple[str, str]:
    """Whose signature it is, or why it is nobody's."""
    try:
        return check(as_bytes(row[3]), as_text(row[4])), ""
    except ValueError as error:
        return "", f"the signature is not valid: {error}"


def _judge(row: Row, signer: tuple[str, str]) -> Judged:
    key, unsigned = signer
    _seq, prev, stored, statement, signature, *columns = row
    problems: list[str] = []
    if not (type(statement) is bytes and type(signature) is type(prev) is type(stored) is str):
        problems += _wrong_types(row)
        prev, statement, signature = as_text(prev), as_bytes(statement), as_text(signature)
    try:
        linked = link(prev, statement, signature) == stored
    except ValueError:  # the predecessor is no hash, or the signature no text in UTF-8
        linked = False
    if not linked:
        problems.append("its hash is not that of its bytes")
    if unsigned:
        problems.append(unsigned)
    document = _document(statement, problems)
    if document is not None:
        _compare(columns, document, problems)
    return Judged(problems, key, document)


def _document(statement: bytes, problems: list[str]) -> Any:
    document = None
    try:
        document = canonical.read(statement)
    except ValueError as error:
        problem = f"the statement is not canonical JSON: {error}"
        try:
            document = canonical.loads(statement)
        except ValueError as worse:
            problem = f"the statement can't be read: {worse}"
        problems.append(problem)
    else:
        if not isinstance(document, dict):
            problems.append("the statement is not one of ours: it is no JSON object")
    return document if isinstance(document, dict) else None


def _compare(columns: list[Any], document: Any, problems: list[str]) -> None:
    try:
        predicate = document["predicate"]
        said = [
            known_kind(document),
            predicate.get("revision"),
            predicate.get("environment"),
            predicate["actor"],
            predicate["at"],
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problems.append(f"the statement is not one of ours: {error}")
        return
    if columns != said:
        pairs = zip(PROJECTED, columns, said, strict=True)
        problems += [f"column {name} is not what the statement says" for name, one, other in pairs if one != other]


def _wrong_types(row: Row) -> Iterator[str]:
    for name, value, wanted in zip(COLUMNS[1:5], row[1:5], (str, str, bytes, str), strict=True):
        if type(value) is not wanted:
            yield f"column {name} does not hold {'bytes' if wanted is bytes else 'text'}"


def as_bytes(value: Any) -> bytes:
    """For the rest of the judgement, once the wrong type is noted."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else as_bytes(value).decode(errors="replace")
