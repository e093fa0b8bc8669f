"""A document: the promised JSON values of a command, and the same said in blocks for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Tone(StrEnum):
    """What a piece of text means; a format may show it as a colour, never by colour alone."""

    PLAIN = "plain"
    GOOD = "good"
    BAD = "bad"
    WARN = "warn"
    FAINT = "faint"
    STRONG = "strong"


@dataclass(frozen=True, slots=True)
class Cell:
    """brief: a mark for the same, where a table's last columns are too wide for the terminal."""

    text: str
    tone: Tone = Tone.PLAIN
    brief: str = ""


@dataclass(frozen=True, slots=True)
class Heading:
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of prose. indent: levels of two spaces."""

    text: str
    tone: Tone = Tone.PLAIN
    indent: int = 0


@dataclass(frozen=True, slots=True)
class Fields:
    """Labelled values, one a line."""

    pairs: tuple[tuple[str, Cell], ...]


class Members(Generic[T]):
    """What is made one after the other, each time that somebody goes through it, so that never all of it is in memory.
    make: gives it."""

    def __init__(self, make: Callable[[], Iterator[T]]) -> None:
        self._make = make

    def __iter__(self) -> Iterator[T]:
        return self._make()


@dataclass(frozen=True, slots=True)
class Table:
    """flexible: the column that gives way where the terminal is narrow."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...] | Members[tuple[Cell, ...]]
    flexible: int = -1


@dataclass(frozen=True, slots=True)
class Code:
    """Text to be shown as it is, line by line. language: ``sql``, ``python``, ``toml`` or empty."""

    text: str
    language: str = ""


Block = Heading | Line | Fields | Table | Code


@dataclass(frozen=True)
class Document:
    """name: of the JSON schema, as in ``migrate-flow/<name>/1``. data: without the key ``schema``; `Members` are a
    list there. blocks: or what makes them, which a format asks that shows them."""

    name: str
    data: Mapping[str, Any]
    blocks: Sequence[Block] | Members[Block] = field(default_factory=tuple)

    @property
    def values(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, Members) else value for name, value in self.parts.items()}

    @property
    def parts(self) -> dict[str, Any]:
        """The values, with `Members` as they are."""
        return {"schema": f"migrate-flow/{self.name}/1", **self.data}
