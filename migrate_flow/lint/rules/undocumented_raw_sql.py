"""Raw SQL without a word about it.

Problem: Operations say what they do by their names; a statement of raw SQL has to be read, and what it is for is not
in it. A comment above or beside it, one inside the SQL, a docstring of the function, or a section "SQL:" of the
script's docstring is enough. Only the upgrade is looked at, and the script is named once. To make or drop an index
speaks for itself.

Instead of:

    op.execute("UPDATE orders SET status = 'open' WHERE status IS NULL")

Use:

    # orders from before the shop knew a status were all open
    op.execute("UPDATE orders SET status = 'open' WHERE status IS NULL")
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from migrate_flow.core.finding import Severity
from migrate_flow.lint.comments import explained
from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.script import Direction, Script, Sql
from migrate_flow.lint.tree import walk
from migrate_flow.lint.work import Work, sql_work

_TITLES = ("sql", "raw sql", "data", "data migration")
_SQL_COMMENT = re.compile(r"--\s*\w|/\*\s*\w")
_SHOWN = 60
_SHORTEST = 20  # "Upgrade schema." says nothing


def check(script: Script) -> Iterator[Hit]:
    if any(script.sections.get(title, "").strip() for title in _TITLES):
        return
    bare = [sql for sql in script.raw(Direction.UPGRADE) if _is_bare(sql)]
    documented = _documented_lines(script) if bare else frozenset()
    found = [sql for sql in bare if sql.line not in documented and not explained(script, sql.line)]
    if found:
        text = " ".join((found[0].text or "").split())
        shown = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        yield Hit(found[0].line, f"raw SQL without a comment: {shown}{more}", "# what the statement is for")


def _documented_lines(script: Script) -> frozenset[int]:
    """Of functions with a docstring."""
    found: set[int] = set()
    for node in walk(script.tree) if script.tree else ():
        if isinstance(node, ast.FunctionDef) and len(ast.get_docstring(node) or "") > _SHORTEST:
            found.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return frozenset(found)


def _is_bare(sql: Sql) -> bool:
    """Literal SQL that changes something and holds no comment."""
    if sql.text is None or sql_work(sql) is Work.NOTHING or _SQL_COMMENT.search(sql.text):
        return False
    return not (sql.statements and all(_of_an_index(item) for item in sql.statements))


def _of_an_index(statement: Any) -> bool:
    """CREATE or DROP INDEX, whose name says what it is for. statement: a sqlglot expression."""
    plain = not (statement.comments or statement.args.get("replace"))
    return plain and statement.key in ("create", "drop") and statement.args.get("kind") == "INDEX"


RULE = Rule("undocumented-raw-sql", Group.DOCUMENTATION, check, Severity.WARNING)
