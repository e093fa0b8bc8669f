"""The script holds characters that show other text than what runs.

Problem: Marks that turn the direction of writing make an editor or a review page show code in another order than
Python reads it; invisible ones and control characters hide text. Nobody can review what one can't see.

Instead of:

    op.execute("DELETE FROM log" "\u202e -- nothing")

Use: the escape, where such a character is really meant:

    op.execute("UPDATE texts SET mark = U&'\\200F'")
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.told import told

if TYPE_CHECKING:
    from migrate_flow.lint.script import Script

_BIDI = frozenset(map(chr, [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]))
# Joiners (U+200C, U+200D) are letters' own in some scripts, and part of many emoji.
_INVISIBLE = frozenset("\u00ad\u180e\u200b\u2028\u2029\u2060\u2061\u2062\u2063\u2064\ufeff")
_CONTROLS = frozenset(map(chr, [*range(0x20), *range(0x7F, 0xA0), *range(0xE0000, 0xE0080)])) - set("\t\n\r\f")
_FORBIDDEN = _BIDI | _INVISIBLE | _CONTROLS


def check(script: Script) -> Iterator[Hit]:
    told_lines = set()
    for hit in told(script, "bidi-or-control-characters"):
        told_lines.add(hit.line)
        yield hit
    if script.text.isascii() and script.text.isprintable():
        return
    # splitlines() would take some of these characters for line ends
    for number, line in enumerate(script.text.removeprefix("\ufeff").split("\n"), 1):
        found = dict.fromkeys(c for c in line if c in _FORBIDDEN)
        if found and number not in told_lines:
            names = ", ".join(f"U+{ord(c):04X} {_name(c)}".strip() for c in found)
            where = max(line.index(next(iter(found))) + 1, 1)
            hint = f"delete it, or write it as an escape: {', '.join(_escape(c) for c in found)}"
            yield Hit(number, f"the line holds {names} (column {where})", hint)


def _name(character: str) -> str:
    return unicodedata.name(character, "control character")


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


RULE = Rule("bidi-or-control-characters", Group.STYLE, check, waivable=False)
