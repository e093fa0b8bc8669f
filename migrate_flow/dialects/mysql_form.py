"""One form for what MySQL and MariaDB print of a definition, so that equal texts mean equal definitions."""

from __future__ import annotations

import re
from typing import Any

# NOTE: comments do not count: the `mariadb` client takes them out of a routine when it restores a dump.
# Those that the server executes, and hints, stay.
_BLANK = r"(?P<blank>(?:\s|/\*(?!M?!|\+).*?(?:\*/|\Z)|--(?=\s|\Z)[^\n]*|\#[^\n]*)+)"
_STRING = r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\""
_TOKEN = re.compile(rf"{_BLANK}|{_STRING}|`(?:[^`]|``)*`\.?", re.S)
_JOINED = re.compile(rf"{_STRING}|`(?:[^`]|``)*`|\w+|[()]", re.S)
_TABLE_BY_QUERY = re.compile(r"\((?=select\b|with\b|values\b)")


def in_one_form(printed: Any, db: str) -> str:
    """A definition in which neither white space, comments nor the database's name (in backticks) count."""

    def same(match: re.Match[str]) -> str:
        if match["blank"]:
            return " "
        inner = match.string[max(0, match.start() - 1)] == "."  # a table or column of the same name
        return "" if match[0] == db + "." and not inner else match[0]

    text = "" if printed is None else str(printed)
    return _TOKEN.sub(same, text).strip()


def joins_in_one_form(text: str) -> str:
    """A query without the parentheses that only say that joins are read from the left.

    NOTE: the server prints ``from a join b`` for ``FROM a, b``, and ``from (a join b)`` once it has read that.
    """
    said, end = "", 0
    dropped: list[bool] = []
    leftmost = operand = False
    for match in _JOINED.finditer(text):
        word, kept = match[0], True
        if word == "(":
            kept = not leftmost or _TABLE_BY_QUERY.match(text, match.start()) is not None
            dropped.append(not kept)
            leftmost = leftmost if not kept else operand  # on the right of a join they count, once
        else:
            if word == ")":
                kept = not (dropped and dropped.pop())
            leftmost = word == "from"
        operand = word in ("join", "straight_join")
        said += text[end : match.start()] + (word if kept else "")
        end = match.end()
    return said + text[end:]
