"""A document: the promised JSON values of a command, and the same said in blocks for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


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
    text: str
    tone: Tone = Tone.PLAIN


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


@dataclass(frozen=True, slots=True)
class Table:
    """flexible: the column that gives way where the terminal is narrow."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    flexible: int = -1


@dataclass(frozen=True, slots=True)
class Code:
    """Text to be shown as it is, line by line. language: ``sql``, ``python``, ``toml`` or empty."""

    text: str
    language: str = ""


Block = Heading | Line | Fields | Table | Code


@dataclass(frozen=True)
class Document:
    """name: of the JSON schema, as in ``migrate-flow/<name>/1``. data: without the key ``schema``. blocks: can be gone
    through more than once."""

    name: str
    data: Mapping[str, Any]
    blocks: Iterable[Block] = field(default_factory=tuple)

    @property
    def values(self) -> dict[str, Any]:
        return {"schema": f"migrate-flow/{self.name}/1", **self.data}


@dataclass(frozen=True, slots=True)
class MadeBlocks:
    """Blocks that are made one after the other, whenever they are gone through: of thousands of steps nobody needs all
    at a time."""

    make: Callable[[], Iterator[Block]]

    def __iter__(self) -> Iterator[Block]:
        return self.make()


@dataclass(frozen=True, slots=True)
class MadeData(Mapping[str, Any]):
    """now: values. later: those that are made only where somebody asks for them, as a person does not."""

    now: Mapping[str, Any]
    later: Mapping[str, Callable[[], Any]]

    def __getitem__(self, key: str) -> Any:
        return self.later[key]() if key in self.later else self.now[key]

    def __contains__(self, key: object) -> bool:
        return key in self.later or key in self.now

    def __iter__(self) -> Iterator[str]:
        yield from self.now
        yield from self.later

    def __len__(self) -> int:
        return len(self.now) + len(self.later)
