"""Where a line of text is broken on a terminal: between words, and never within what is there to be copied."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.cells import chop_cells

from migrate_flow.formats.table import columns

_WORDS = re.compile(r"\s*\S+\s*?(?=\s|$)|\s+$")
# What a line begins with; what follows hangs below the text behind it.
_MARK = re.compile(r"(?:[✓✗?!•|-]|\d+\.|(?:who|hint|fix|next|error|where):) +")
_COMMAND = re.compile(r"(?:(?<=: )|(?<=, then )|(?<=, or ))migrate-flow \S")


def wrapped(text: str, room: int, first: str = "", hang: str | None = None) -> Iterator[str]:
    """The lines. first: stands before the first of them. hang: before the others; default, spaces below its text. A
    command is one line, the last one, whatever its length."""
    if columns(first + text) <= room:
        yield first + text
        return
    mark = _MARK.match(text)
    rest = " " * (columns(first) + (mark.end() if mark else 0)) if hang is None else hang
    start = mark.end() if mark else 0
    command = _COMMAND.search(text)
    if text.startswith("migrate-flow ", start) or (command and command.start() <= start):
        yield first + text
        return
    prose = text[: command.start()].rstrip() if command else text
    before = first
    at = 0
    for end in (*breaks(prose, max(20, room - columns(rest))), len(prose)):
        yield before + prose[at:end].strip(" " if at else "")
        before, at = rest, end
    if command:
        yield rest + text[command.start() :]


def breaks(text: str, room: int) -> list[int]:
    """Offsets at which a line ends and the next begins. A word that is too long stays whole, but for wide characters,
    whose scripts need no spaces."""
    found: list[int] = []
    used = 0
    for match in _WORDS.finditer(text):
        word = match[0]
        taken = columns(word)
        if used and used + columns(word.rstrip()) > room:
            blank = len(word) - len(word.lstrip())
            found.append(match.start() + blank)
            word, taken, used = word[blank:], taken - blank, 0
        if taken > room and taken != len(word):
            parts = chop_cells(word, room)
            at = match.end() - len(word)
            for part in parts[:-1]:
                at += len(part)
                found.append(at)
            taken, used = columns(parts[-1]), 0
        used += taken
    return found
