"""What a ledger hands to an auditor, one file a format: each has `write`, which puts an export onto a binary stream.

The same export gives the same bytes: no format looks at a clock, and none changes an order.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from migrate_flow.errors import UsageError

if TYPE_CHECKING:
    from migrate_flow.core.audit import Change, Header
    from migrate_flow.core.entry import Entry

# Each is a module, or a folder, here. What is binary is never written to a terminal.
FORMATS = ("jsonl", "csv", "xlsx", "md", "html", "bundle")
BINARY = frozenset({"xlsx", "bundle"})


class Exported(Protocol):
    """What the formats are made of. Every iterator can be asked for more than once."""

    @property
    def header(self) -> Header: ...

    @property
    def environments(self) -> tuple[str, ...]:
        """In the order of promotion."""
        ...

    def changes(self) -> Iterator[Change]:
        """In the order of the graph, or else of the first entry, then in that of the environments."""
        ...

    def entries(self) -> Iterator[Entry]:
        """Those that were selected, by position. Streams."""
        ...

    def skeleton(self) -> Iterator[tuple[int, str, str, str]]:
        """Every position up to `as_of`, also of what is left out: seq, sha256 of the statement, of the signature, and
        the chain's hash, each in hex."""
        ...

    def artifact(self, sha256: str) -> bytes | None:
        """Stored bytes by their digest, hex."""
        ...

    def artifacts_of(self) -> Iterator[str]:
        """Digests, hex, of the artifacts that the selected entries bring: sorted, each once."""
        ...

    def policies(self) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """Position from which it was in force, digest in hex, document; oldest first."""
        ...

    def people(self) -> Mapping[str, tuple[tuple[str, int, int], ...]]:
        """Person -> (public key, position from which it was valid, position at which it was revoked or else 0)."""
        ...


def require_format(name: str, *, terminal: bool) -> None:
    """Before anything is read or recorded. terminal: whether a person would see the bytes. Raises UsageError."""
    if name not in FORMATS:
        raise UsageError(f"there is no format {name!r}", hint=f"one of: {', '.join(FORMATS)}", where="--format")
    if terminal and name in BINARY:
        ending = "zip" if name == "bundle" else name
        raise UsageError(
            f"{name} is not for a terminal",
            hint=f"migrate-flow export --format {name} --output audit.{ending}",
            where="--output",
        )


def write(export: Exported, name: str, out: BinaryIO) -> None:
    """name: one of `FORMATS`."""
    writer: Callable[[Exported, BinaryIO], None] = importlib.import_module(f"{__name__}.{name}").write
    writer(export, out)
