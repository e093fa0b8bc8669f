"""Text from scripts, people and databases, made safe to show: no escape sequences, no direction tricks, and
nothing that can't be seen."""

from __future__ import annotations

import unicodedata

_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # control, format, surrogate, separators of lines
_JOINERS = "\u200c\u200d"  # Persian is written with them, Indic scripts, and emoji of several parts


def safe(text: str, *, lines: bool = False) -> str:
    """Control, format and direction characters as visible escapes. lines: keep line breaks and tabs."""
    if text.isprintable():  # then nothing in it is of these categories
        return text
    return "".join(
        char if _harmless(char, lines) or _joins(text, at) else _escaped(char) for at, char in enumerate(text)
    )


def _harmless(char: str, lines: bool) -> bool:
    if lines and char in "\n\t":
        return True
    return unicodedata.category(char) not in _UNSEEN


def _joins(text: str, at: int) -> bool:
    """Whether it is a joiner between two characters that may need one: none of ASCII does, nor another joiner."""
    if text[at] not in _JOINERS or not 0 < at < len(text) - 1:
        return False
    return all(not char.isascii() and _harmless(char, lines=False) for char in (text[at - 1], text[at + 1]))


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode()


def shortened(text: str, longest: int) -> str:
    """At most so many characters, the last one an ellipsis where something was cut."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
