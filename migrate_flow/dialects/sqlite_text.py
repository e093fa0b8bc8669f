"""SQLite's SQL as tokens, and one spelling for texts that mean the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?(?:\*/|\Z))
    |(?P<string>[xX]?'(?:[^']|'')*')
    |(?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])
    |(?P<number>0[xX][0-9a-fA-F]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<word>[^\W\d][\w$]*)
    |(?P<operator>->>|->|\|\||<<|>>|<=|>=|==|!=|<>|.)""",
    re.S | re.X,
)
_PLAIN = re.compile(r"[^\W\d][\w$]*")
_SAME = {"==": "=", "!=": "<>"}
# What an expression would read as its own where a name has no quotes.
_MEANT = {
    "and", "as", "asc", "between", "by", "case", "cast", "collate", "cross", "current_date", "current_time",
    "current_timestamp", "desc", "distinct", "else", "end", "escape", "except", "exists", "false", "filter",
    "from", "full", "glob", "group", "having", "in", "inner", "intersect", "is", "isnull", "join", "left",
    "like", "limit", "match", "natural", "not", "notnull", "null", "offset", "on", "or", "order", "outer",
    "over", "partition", "raise", "regexp", "right", "select", "set", "then", "true", "union", "using",
    "values", "when", "where", "window", "with",
}  # fmt: skip


class Token(NamedTuple):  # hundreds for a table: a dataclass takes three times as long to make
    """kind: string, quoted, number, word or operator. text: as written. value: a name without its quotes. keyword: a
    word or operator in capitals."""

    kind: str
    text: str
    value: str
    keyword: str

    def says(self, *words: str) -> bool:
        """Whether it is one of these keywords or operators."""
        return self.keyword in words


def tokens(sql: str) -> list[Token]:
    """Without white space, comments and the semicolon at the end."""
    found = [_token(match) for match in _TOKEN.finditer(sql) if match.lastgroup != "space"]
    while found and found[-1].text == ";":
        found.pop()
    return found


def one_spelling(found: Sequence[Token], known: frozenset[str]) -> str:
    """The tokens in lower case, evenly spaced. known: names of this table and its columns in lower case.

    NOTE: what is in double quotes and is no name that SQLite knows is a string to it: its case is kept.
    """
    said = ""
    before = ""
    for word in _spelled(found, known):
        if said and not _sticks(before, word):
            said += " "
        said += word
        before = word
    return said


def expression(found: Sequence[Token], known: frozenset[str]) -> str:
    """As one_spelling, without parentheses around all of it."""
    inner = list(found)
    while len(inner) > 1 and inner[0].text == "(" and closing(inner, 0) == len(inner) - 1:
        inner = inner[1:-1]
    return one_spelling(inner, known)


def closing(found: Sequence[Token], start: int) -> int:
    """Where the parenthesis at `start` ends; behind the last token if it does not."""
    depth = 0
    for index in range(start, len(found)):
        depth += {"(": 1, ")": -1}.get(found[index].text, 0)
        if depth == 0:
            return index
    return len(found)


def parts(found: Sequence[Token]) -> list[list[Token]]:
    """What stands between the commas that are in no parentheses."""
    result: list[list[Token]] = [[]]
    depth = 0
    for token in found:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if token.text == "," and depth == 0:
            result.append([])
        else:
            result[-1].append(token)
    return result


def _token(found: re.Match[str]) -> Token:
    kind, text = found.lastgroup or "", found[0]
    match kind:
        case "quoted":
            name = text[1:-1] if text[0] == "[" else text[1:-1].replace(text[0] * 2, text[0])
            return Token(kind, text, name, "")
        case "word" | "operator":
            return Token(kind, text, text, text.upper())
        case _:
            return Token(kind, text, text, "")


def _spelled(found: Sequence[Token], known: frozenset[str]) -> Iterator[str]:
    for token in found:
        match token.kind:
            case "string":
                yield token.text if token.text[0] == "'" else token.text.lower()
            case "quoted":
                yield _name(token, known)
            case "operator":
                yield _SAME.get(token.text, token.text)
            case _:
                yield token.text.lower()


def _name(token: Token, known: frozenset[str]) -> str:
    lower = token.value.lower()
    if token.text[0] == '"' and lower != token.value and lower not in known:
        return token.text
    return lower if _PLAIN.fullmatch(lower) and lower not in _MEANT else '"' + lower.replace('"', '""') + '"'


def _sticks(before: str, word: str) -> bool:
    if before in ("(", ".") or word in (")", ",", "."):
        return True
    return word == "(" and re.fullmatch(r'[\w$]+|".*"', before) is not None and before not in _MEANT
