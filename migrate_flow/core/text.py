"""Text from scripts, people and databases, made safe to show: no escape sequences, no direction tricks."""

from __future__ import annotations

import unicodedata

_BIDI = {chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x061C, 0x200E, 0x200F)}


def safe(text: str, *, lines: bool = False) -> str:
    """Control, format and direction characters as visible escapes. lines: keep line breaks and tabs."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if _harmless(char, lines) else _escaped(char) for char in text)


def _harmless(char: str, lines: bool) -> bool:
    if lines and char in "\n\t":
        return True
    return char not in _BIDI and unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp")


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode()


def shortened(text: str, longest: int) -> str:
    """At most so many characters, the last one an ellipsis where something was cut."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
