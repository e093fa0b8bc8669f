"""A new value of an enum is used in the transaction that adds it.

Problem: PostgreSQL (12 and later) lets ALTER TYPE … ADD VALUE run in a transaction, and refuses every use of the value
until that is committed ("unsafe use of new value"). So the migration fails as soon as a row is written with it. Before
PostgreSQL 12, the statement itself is refused in a transaction.

Instead of:

    op.execute("ALTER TYPE status ADD VALUE 'archived'")
    op.execute("UPDATE orders SET status = 'archived' WHERE closed_at < now() - interval '1 year'")

Use: two revisions, the value in the first and its use in the second; or the value in a block of its own, at the
beginning of the revision:

    with op.get_context().autocommit_block():
        op.execute("ALTER TYPE status ADD VALUE IF NOT EXISTS 'archived'")

A value that is added in a transaction and not used there is not meant. Both directions are looked at.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from migrate_flow.lint import fixes
from migrate_flow.lint.changes import Change, Kind
from migrate_flow.lint.commits import ended_by_call
from migrate_flow.lint.effects import effects
from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.script import Direction, Script
from migrate_flow.lint.tree import walk

_ADDING = re.compile(
    r"ADD\s+VALUE\s+(IF\s+NOT\s+EXISTS\s+)?'([^']|'')*'(\s+(BEFORE|AFTER)\s+'([^']|'')*')?", re.IGNORECASE
)


def check(script: Script) -> Iterator[Hit]:
    for direction in Direction:
        for change in effects(script, direction, Kind.ADD_ENUM_VALUE):
            used = None if change.in_block else _used(script, direction, change)
            if used and not _committed(script, direction, change.line, used):
                added = fixes.execute(f"ALTER TYPE {change.name} ADD VALUE IF NOT EXISTS {_quoted(change.to)}")
                message = (
                    f"line {used} uses '{change.to}' before it is committed as a value of {change.name}, "
                    "which PostgreSQL refuses"
                )
                hint = f"add it in a revision of its own, or in a block before all else: {fixes.in_autocommit(added)}"
                yield Hit(change.line, message, hint)


def _committed(script: Script, direction: Direction, added: int, used: int) -> bool:
    """Then it works; inner-commit speaks of what is wrong with it."""
    by_sql = [change.line for change in effects(script, direction, Kind.TRANSACTION) if change.to == "COMMIT"]
    by_call = [ended.line for ended in ended_by_call(script.tree) if ended.verb == "commit"] if script.tree else []
    return any(line < used for line in by_sql) or any(added < line < used for line in by_call)


def _used(script: Script, direction: Direction, change: Change) -> int | None:
    """The first line where SQL, a default or a row that is inserted says the value."""
    lines = [sql.line for sql in script.raw(direction) if sql.text and _quoted(change.to) in _ADDING.sub("", sql.text)]
    for op in script.ops(direction):
        said = [op.call] if op.name == "bulk_insert" else [*_defaults(op.call)]
        if any(_says(node, change.to) for node in said):
            lines.append(op.line)
    return min(lines, default=None)


def _defaults(call: ast.Call) -> Iterator[ast.expr]:
    return (
        keyword.value
        for node in walk(call)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "server_default"
    )


def _says(node: ast.expr, value: str) -> bool:
    return any(
        isinstance(inner, ast.Constant)
        and isinstance(inner.value, str)
        and inner.value.split("::")[0].strip("'") == value
        for inner in walk(node)
    )


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


RULE = Rule("enum-value-in-transaction", Group.SAFETY, check, dialects=frozenset({"postgresql"}))
