"""Raw SQL, parsed as far as it can be: what the parser only passes through is unknown, unless it is of a known kind."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from migrate_flow.core.dialects import KINDS

_MYSQL_RUNS_COMMENT = re.compile(r"/\*M?!")
_DATA = frozenset({"Insert", "Update", "Delete", "Merge", "Copy"})
_STATEMENTS = _DATA | {
    "Alter", "Analyze", "Attach", "Comment", "Commit", "Create", "Describe", "Detach", "Drop", "Except", "Grant",
    "Intersect", "Kill", "Pragma", "Revoke", "Rollback", "Select", "Semicolon", "Set", "Show", "Subquery",
    "Transaction", "TruncateTable", "Union", "Use", "Values",
}  # fmt: skip
# Kinds that the parser hands on as text, and that say at their start what they do. Left out on purpose: what runs
# code (DO, CALL, EXECUTE), and the forms of ALTER TABLE and DROP that nobody has named.
_KNOWN = re.compile(
    r"""
    CREATE \s+ (OR \s+ REPLACE \s+)? (CONSTRAINT \s+)?
        (EXTENSION|POLICY|TYPE|DOMAIN|ROLE|USER|FUNCTION|PROCEDURE|TRIGGER|RULE|STATISTICS|PUBLICATION|COLLATION
        |OPERATOR|AGGREGATE|CAST|EVENT \s+ TRIGGER|SERVER|FOREIGN|TEXT \s+ SEARCH) \b
    | ALTER \s+ (TYPE|DOMAIN|SEQUENCE|INDEX|(MATERIALIZED \s+)? VIEW|FUNCTION|PROCEDURE|EXTENSION|POLICY|ROLE|USER
        |SCHEMA|TRIGGER|DEFAULT \s+ PRIVILEGES|PUBLICATION|STATISTICS|DATABASE) \b
    | ALTER \s+ TABLE \s+ (IF \s+ EXISTS \s+)? (ONLY \s+)? \S+ \s+
        ((ENABLE|DISABLE|FORCE|NO \s+ FORCE) \s+ (ROW|TRIGGER|ALWAYS|REPLICA|RULE) \b [^,;]*
        |OWNER \s+ TO \s+ [^,;]+ |VALIDATE \s+ CONSTRAINT \s+ [^,;]+ |REPLICA \s+ IDENTITY \s+ [^,;]+
        |(RE)?SET \s* \( [^;]* \) |CLUSTER \s+ ON [^,;]+ |(ATTACH|DETACH) \s+ PARTITION \s+ [^;]+
        |ADD \s+ CONSTRAINT \s+ \S+ \s+ (UNIQUE|PRIMARY \s+ KEY) \s+ USING \s+ INDEX \s+ [^,;]+
        |RENAME \s+ CONSTRAINT \s+ [^,;]+ |ALTER \s+ CONSTRAINT \s+ [^,;]+) $
    | DROP \s+ (POLICY|TRIGGER|RULE|FUNCTION|PROCEDURE|STATISTICS|PUBLICATION|OPERATOR|AGGREGATE|ROLE|USER) \b
    | (VACUUM|REFRESH|REINDEX|LOCK|UNLOCK|CLUSTER|LISTEN|NOTIFY|EXPLAIN|OPTIMIZE|SECURITY|REASSIGN) \b
    """,
    re.VERBOSE | re.IGNORECASE,
)


def statements_of(text: str, dialects: Iterable[str]) -> tuple[Any, ...] | None:
    """sqlglot's expressions, one a statement; None where a person must look.

    Parsed by the first of the dialects' grammars that knows it: a script may run SQL in one of them alone. Without
    dialects, PostgreSQL's. The expressions are shared: never change one.
    """
    grammars = tuple(dict.fromkeys(kind.grammar for name, kind in KINDS.items() if name in set(dialects)))
    return _parsed(text, grammars or ("postgres",))


def writes_rows(statements: tuple[Any, ...] | None) -> bool:
    """Whether a statement, or a part of one, inserts, changes or deletes rows."""
    return any(type(node).__name__ in _DATA for item in statements or () for node in item.walk())


@lru_cache(maxsize=8192)
def _parsed(text: str, grammars: tuple[str, ...]) -> tuple[Any, ...] | None:
    if "mysql" in grammars and _MYSQL_RUNS_COMMENT.search(text):
        return None
    # As `text()` reads it: an escaped colon is a colon.
    plain = text.replace("\\:", ":")
    return next((found for grammar in grammars if (found := _read(plain, grammar)) is not None), None)


def _read(text: str, grammar: str) -> tuple[Any, ...] | None:
    import sqlglot  # a third of a second: only for who writes SQL

    logging.getLogger("sqlglot").disabled = True  # it warns of what it passes through; we tell the person
    try:
        found = tuple(item for item in sqlglot.parse(text, dialect=grammar) if item is not None)
    except (sqlglot.errors.SqlglotError, RecursionError, ValueError, AttributeError, TypeError, KeyError, IndexError):
        return None  # also where the parser itself stumbles
    return found if all(_understood(item) for item in found) else None


def _understood(item: Any) -> bool:
    kind = type(item).__name__
    if kind == "Command":
        # `expression` is the rest of the text, at times as a literal of its own
        rest = item.expression if isinstance(item.expression, str) else getattr(item.expression, "this", "")
        return _KNOWN.match(f"{item.this} {str(rest).strip()}".strip()) is not None
    return kind in _STATEMENTS
