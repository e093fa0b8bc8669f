"""SQL in colours: classes and no styles, which the page's policy would not let through."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import groupby
from operator import itemgetter

from markupsafe import Markup, escape
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, Keyword, Name, Number, String, _TokenType

from migrate_flow.core.dialects import KINDS
from migrate_flow.core.text import safe

# Longer text keeps one colour: the words of a million rows help nobody, and a lexer may be slow on what is no SQL.
LONGEST_COLOURED = 30_000
# Even longer text is cut: the ledger holds all of it, by the digest that stands beside it.
LONGEST_SHOWN = 200_000
_CLASSES = ((Comment, "c"), (String, "s"), (Number, "n"), (Keyword, "k"), (Name.Builtin, "t"))


def coloured(text: str, dialect: str = "") -> Markup:
    """Escaped, with spans of the classes c, s, n, k and t."""
    shown = safe(text[:LONGEST_SHOWN], lines=True)
    if len(text) > LONGEST_COLOURED:
        return escape(shown)
    return Markup("".join(_spans(shown, dialect)))  # noqa: S704  every part is escaped


def _spans(text: str, dialect: str) -> Iterator[str]:
    tokens = ((_class(kind), part) for kind, part in _lexer(dialect).get_tokens(text))
    for name, parts in groupby(tokens, itemgetter(0)):
        inside = str(escape("".join(part for _, part in parts)))
        yield f'<span class="{name}">{inside}</span>' if name else inside


@cache
def _lexer(dialect: str) -> Lexer:
    name = KINDS[dialect].lexer if dialect in KINDS else "sql"
    return get_lexer_by_name(name, stripnl=False, ensurenl=False)


@cache
def _class(kind: _TokenType) -> str:
    return next((name for token, name in _CLASSES if kind in token), "")
