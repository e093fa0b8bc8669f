"""What a script's syntax tree shows of its risks. It errs on the side of naming a risk.

``destructive``: tables, columns or rows go. ``lossy``: so does their content. ``irreversible``: no downgrade that
does anything. ``waiver``: a finding is waived in a comment. ``raw-sql-unknown``: SQL that is not a literal.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

_DROPS = {"drop_table", "drop_column"}
_TABLE_FIRST = {
    "add_column", "alter_column", "batch_alter_table", "bulk_insert", "create_table", "create_table_comment",
    "drop_column", "drop_table", "drop_table_comment", "rename_table",
}  # fmt: skip
_TABLE_SECOND = {
    "create_check_constraint", "create_exclude_constraint", "create_foreign_key", "create_index",
    "create_primary_key", "create_unique_constraint", "drop_constraint", "drop_index",
}  # fmt: skip
_DESTRUCTIVE_SQL = re.compile(r"\b(drop\s+(table|column|schema|database|view|type)|truncate|delete\s+from)\b", re.I)
_SQL_TABLE = re.compile(r'\b(?:table|into|update|from)\s+(?:if\s+(?:not\s+)?exists\s+)?["`]?([a-z_][\w.]*)', re.I)
_WAIVER = re.compile(rb"#\s*migrate-flow:\s*ignore\[")


@dataclass(frozen=True, slots=True)
class Traits:
    """risks: in a fixed order. tables: names that literal operations and literal SQL speak of."""

    risks: tuple[str, ...] = ()
    tables: frozenset[str] = frozenset()


def read_traits(source: bytes) -> Traits:
    """The traits of one script. A source that does not parse is unknown, so raw-sql-unknown."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return Traits(("raw-sql-unknown",))
    risks: set[str] = set()
    tables: set[str] = set()
    for call in _calls(tree):
        _judge(call, risks, tables)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    if "upgrade" in functions and _does_something(functions["upgrade"]) and not _reverses(functions.get("downgrade")):
        risks.add("irreversible")
    if _WAIVER.search(source):
        risks.add("waiver")
    order = ("destructive", "lossy", "irreversible", "waiver", "raw-sql-unknown")
    return Traits(tuple(risk for risk in order if risk in risks), frozenset(tables))


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    """Calls anywhere but in `downgrade`: what the upgrade, or a function that it may use, does."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "downgrade":
            continue
        yield from (inner for inner in ast.walk(node) if isinstance(inner, ast.Call))


def _judge(call: ast.Call, risks: set[str], tables: set[str]) -> None:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if name in _DROPS:
        risks.update(("destructive", "lossy"))
    position = 0 if name in _TABLE_FIRST else 1 if name in _TABLE_SECOND else None
    if position is not None and len(call.args) > position and isinstance(call.args[position], ast.Constant):
        tables.add(str(call.args[position].value))  # type: ignore[attr-defined]
    if name == "execute" and call.args:
        sql = _literal_sql(call.args[0])
        if sql is None:
            risks.add("raw-sql-unknown")
        else:
            tables.update(found.lower() for found in _SQL_TABLE.findall(sql))
            if _DESTRUCTIVE_SQL.search(sql):
                risks.update(("destructive", "lossy"))


def _literal_sql(node: ast.expr) -> str | None:
    """The SQL text of a string literal or of ``text("…")``; None for anything else."""
    if isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        return _literal_sql(node.args[0]) if called in ("text", "dedent", "DDL") else None
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _does_something(function: ast.FunctionDef) -> bool:
    return any(
        not isinstance(node, ast.Pass) and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in function.body
    )


def _reverses(function: ast.FunctionDef | None) -> bool:
    return (
        function is not None
        and _does_something(function)
        and not any(isinstance(node, ast.Raise) for node in function.body)
    )
