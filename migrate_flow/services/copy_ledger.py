"""Copies a whole ledger into a new one elsewhere: the same bytes under the same hashes, proved before it counts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Protocol

from migrate_flow.core.chain import EMPTY, Head
from migrate_flow.core.entry import Entry
from migrate_flow.errors import BusyError, LedgerError

if TYPE_CHECKING:
    from migrate_flow.services.ports import Ledger

_COLUMNS = tuple(column.name for column in fields(Entry))


class Rows(Protocol):
    """All that a ledger stores, as it is stored."""

    def raw_rows(self) -> Iterator[Sequence[Any]]: ...

    def artifacts(self) -> Iterator[tuple[str, bytes]]: ...


class NewLedger(Rows, Protocol):
    """An empty ledger in the transaction that makes it."""

    def add_entries(self, entries: Iterable[Entry]) -> None: ...

    def add_artifacts(self, artifacts: Iterable[tuple[str, bytes]]) -> None: ...


Fill = Callable[[NewLedger], None]


@dataclass(frozen=True, slots=True)
class Copied:
    entries: int
    artifacts: int
    head: Head


class Fingerprint:
    """SHA-256 over every value of every row, types included, and how many rows there were."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.entries = self.artifacts = 0

    @classmethod
    def of(cls, ledger: Rows) -> str:
        made = cls()
        for row in ledger.raw_rows():
            made.add_entry(row)
        for artifact in ledger.artifacts():
            made.add_artifact(artifact)
        return made.digest

    @property
    def digest(self) -> str:
        return f"{self.entries} {self.artifacts} {self._hash.hexdigest()}"

    def add_entry(self, row: Sequence[Any]) -> None:
        self.entries += 1
        self._add(row)

    def add_artifact(self, artifact: tuple[str, bytes]) -> None:
        self.artifacts += 1
        self._add(artifact)

    def _add(self, values: Iterable[Any]) -> None:
        for value in values:
            data = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
            name = "str" if isinstance(value, str) else type(value).__name__  # an entry's kind is a str of our own
            self._hash.update(f"{name} {len(data)} ".encode() + data)


def copy(source: Ledger, create: Callable[[Fill], object], *, genesis: str = "") -> Copied:
    """create: makes the new ledger and fills it, in one transaction that ends only if filling it raised nothing.

    genesis: the trust anchor of the configuration, empty where it names none. Raises LedgerError, BusyError.
    """
    read = Fingerprint()
    heads = [EMPTY]

    def entries() -> Iterator[Entry]:
        for entry in source.entries():
            if entry.seq == 1 and genesis and genesis != f"sha256:{entry.hash}":
                raise _refused(source, "its first entry is not the genesis that the configuration names")
            read.add_entry([getattr(entry, name) for name in _COLUMNS])
            heads[0] = entry.head
            yield entry

    def artifacts() -> Iterator[tuple[str, bytes]]:
        for digest, content in source.artifacts():
            if not isinstance(content, bytes) or hashlib.sha256(content).hexdigest() != digest:
                raise _refused(source, f"artifact {digest[:12]}… has other bytes")
            read.add_artifact((digest, content))
            yield digest, content

    def fill(new: NewLedger) -> None:
        new.add_entries(entries())
        new.add_artifacts(artifacts())
        if Fingerprint.of(new) != read.digest:
            raise _refused(source, "what was written is not what was read")
        if next(source.entries(heads[0].seq), None) is not None:
            raise BusyError(
                "somebody appended to the ledger while it was copied: nothing was kept",
                hint="migrate-flow ledger copy NEW_URL, when nobody works",
                where=source.describe(),
            )

    create(fill)
    return Copied(read.entries, read.artifacts, heads[0])


def _refused(source: Ledger, problem: str) -> LedgerError:
    return LedgerError(
        f"the ledger is not copied: {problem}", hint="migrate-flow ledger verify", where=source.describe()
    )
