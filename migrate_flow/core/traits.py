"""What a script's syntax tree shows of its risks. It errs on the side of naming a risk.

``destructive``: tables, columns or rows go. ``lossy``: so does their content. ``irreversible``: no downgrade that
does anything. ``waiver``: a finding is waived in a comment. ``raw-sql-unknown``: SQL that is not a literal.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from migrate_flow.core.behaviour import every_node, syntax_tree

_DROPS = {"drop_table", "drop_column"}
_EXECUTES = {"execute", "exec_driver_sql"}
_TABLE_FIRST = {
    "add_column", "alter_column", "batch_alter_table", "bulk_insert", "create_table", "create_table_comment",
    "drop_column", "drop_table", "drop_table_comment", "rename_table",
}  # fmt: skip
_TABLE_SECOND = {
    "create_check_constraint", "create_exclude_constraint", "create_foreign_key", "create_index",
    "create_primary_key", "create_unique_constraint", "drop_constraint", "drop_index", "rename_table",
}  # fmt: skip
_TABLE_THIRD = {"create_foreign_key"}
_TABLE_KEYWORDS = {"table_name", "old_table_name", "new_table_name", "source_table", "referent_table"}
_DESTRUCTIVE_SQL = re.compile(
    r"\b(drop\s+(table|column|schema|database|(materialized\s+)?view|type)|truncate|delete\s+from)\b"
    r"|\balter\s+table\b[^;]*\bdrop\s+(?!(constraint|default|not|index|key|primary|foreign|check|expression|identity)\b)",
    re.I,
)
_SQL_TABLE = re.compile(
    r"\b(?:truncate(?:\s+table)?|table|into|update|from|join|references)\s+(?:only\s+)?(?:if\s+(?:not\s+)?exists\s+)?"
    r'((?:["`]?\w+["`]?\.)*["`]?\w+)',
    re.I,
)
_SQL_COMMENT = re.compile(r"/\*.*?\*/|--[^\n]*", re.S)
_ORDER = ("destructive", "lossy", "irreversible", "waiver", "raw-sql-unknown")
_REASONED = re.compile(rb"#\s*migrate-flow:\s*ignore\s*\[([^\]\n]*)\][ \t]*[-:]?[ \t]*[^\s]")
_WAIVER = re.compile(rb"#\s*migrate-flow:\s*ignore\[")


@dataclass(frozen=True, slots=True)
class Traits:
    """risks: in a fixed order. tables: names that literal operations and literal SQL speak of. waived: rules that a
    comment waives with a reason."""

    risks: tuple[str, ...] = ()
    tables: frozenset[str] = frozenset()
    waived: frozenset[str] = frozenset()


UNKNOWN = Traits(("raw-sql-unknown",))


@lru_cache(maxsize=256)
def read_traits(source: bytes, direction: str = "upgrade") -> Traits:
    """The traits of one script in one direction. A source that does not parse is unknown, so raw-sql-unknown."""
    try:
        return tree_traits(syntax_tree(source), source, direction)
    except SyntaxError:
        return UNKNOWN


def tree_traits(tree: ast.Module, source: bytes, direction: str = "upgrade") -> Traits:
    """As `read_traits`, of a source that was parsed already."""
    risks: set[str] = set()
    tables: set[str] = set()
    for node in _running(tree, direction):
        if _named(node) in _DROPS:
            risks.update(("destructive", "lossy"))
        if isinstance(node, ast.Call):
            tables.update(_tables(node))
            if _named(node.func) in _EXECUTES:
                _judge_sql(node, risks, tables)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    if "upgrade" in functions and _does_something(functions["upgrade"]) and not _reverses(functions.get("downgrade")):
        risks.add("irreversible")
    if _WAIVER.search(source):
        risks.add("waiver")
    return Traits(in_order(risks), frozenset(tables), _waived(source))


def combined(own: Traits, others: Iterable[Traits]) -> Traits:
    """A script's with those of the modules that it imports."""
    others = list(others)
    more = {risk for traits in others for risk in traits.risks if risk != "irreversible"} - set(own.risks)
    return Traits((*own.risks, *sorted(more)), own.tables.union(*(traits.tables for traits in others)), own.waived)


def _waived(source: bytes) -> frozenset[str]:
    slugs = (slug for found in _REASONED.findall(source) for slug in found.decode("utf-8", "replace").split(","))
    return frozenset(slug.strip() for slug in slugs)


def in_order(risks: Collection[str]) -> tuple[str, ...]:
    """Each once, as people read them."""
    return tuple(risk for risk in _ORDER if risk in risks)


def _running(tree: ast.Module, direction: str) -> list[ast.AST]:
    """Everything but the other direction's function: what this one, or a function that it may use, does."""
    other = "downgrade" if direction == "upgrade" else "upgrade"
    return every_node(*(node for node in tree.body if not (isinstance(node, ast.FunctionDef) and node.name == other)))


def _named(node: ast.AST) -> str:
    """The last name of ``op.drop_table``, ``drop_table`` or ``import drop_table as …``: called or only handed on."""
    match node:
        case ast.Attribute(attr=name) | ast.Name(id=name) | ast.alias(name=name):
            return name
        case _:
            return ""


def _tables(call: ast.Call) -> Iterator[str]:
    name = _named(call.func)
    for position, operations in enumerate((_TABLE_FIRST, _TABLE_SECOND, _TABLE_THIRD)):
        if name in operations and len(call.args) > position:
            yield from _text(call.args[position])
    if name in _TABLE_FIRST | _TABLE_SECOND:
        for keyword in call.keywords:
            if keyword.arg in _TABLE_KEYWORDS:
                yield from _text(keyword.value)


def _text(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def _judge_sql(call: ast.Call, risks: set[str], tables: set[str]) -> None:
    given = [*call.args, *(k.value for k in call.keywords if k.arg in (None, "sqltext", "statement"))]
    sql = _literal_sql(given[0]) if given else ""
    if sql is None:
        risks.add("raw-sql-unknown")
        return
    # Both with comments and without: a comment may stand between two words, or hold what MySQL runs (/*! … */).
    for text in (sql, _SQL_COMMENT.sub(" ", sql)):
        for found in _SQL_TABLE.findall(text):
            table = re.sub(r'["`]', "", found).lower()
            tables.update((table, table.rpartition(".")[2]))
        if _DESTRUCTIVE_SQL.search(text):
            risks.update(("destructive", "lossy"))


def _literal_sql(node: ast.expr) -> str | None:
    """The SQL text of a string literal or of ``text("…")``; None for anything else."""
    if isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        return _literal_sql(node.args[0]) if called in ("text", "dedent", "DDL") else None
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _does_something(function: ast.FunctionDef) -> bool:
    return any(
        not isinstance(node, ast.Pass | ast.Return)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in function.body
    )


def _reverses(function: ast.FunctionDef | None) -> bool:
    return (
        function is not None
        and _does_something(function)
        and not any(isinstance(node, ast.Raise) for node in function.body)
    )
