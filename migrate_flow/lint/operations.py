"""Where each of Alembic's operations has its table, column, name and schema among its arguments."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from migrate_flow.lint.script import Direction, Operation
from migrate_flow.lint.values import EnumValue, Names, TableValue, last_name, text_of, value_of

# Of `op`, but no operation on the schema.
NONE = frozenset(
    {"get_bind", "get_context", "f", "inline_literal", "implementation_for", "register_operation", "execute"}
)

_TABLE_FIRST = frozenset(
    {
        "add_column", "alter_column", "batch_alter_table", "bulk_insert", "create_table", "create_table_comment",
        "drop_column", "drop_table", "drop_table_comment", "rename_table",
    }
)  # fmt: skip
_NAMED = frozenset(
    {
        "create_check_constraint", "create_exclude_constraint", "create_foreign_key", "create_index",
        "create_primary_key", "create_unique_constraint", "drop_constraint", "drop_index",
    }
)  # fmt: skip
_TABLE_KEYWORDS = ("table_name", "source_table", "old_table_name", "table")
_NAME_KEYWORDS = ("constraint_name", "index_name")
_COLUMN_KEYWORDS = ("column_name", "column")


@dataclass(frozen=True, slots=True)
class Where:
    """What an operation is about."""

    table: str = ""
    column: str = ""
    schema: str = ""
    object_name: str = ""


def locate(name: str, call: ast.Call, names: Names, batch: TableValue | None) -> Where:
    """batch: the table of the `batch_alter_table` that it is called on; its operations name no table."""
    shown = Operation(name, Direction.UPGRADE, 0, call)
    shift = 1 if batch else 0
    schema = text_of(shown.keyword("schema") or shown.keyword("source_schema"), names)
    table = ""
    if not batch:
        place = 0 if name in _TABLE_FIRST else 1 if name in _NAMED else -1
        table = _name(shown.argument(place, *_TABLE_KEYWORDS), names)
        if name == "drop_index" and not table:
            table = text_of(shown.keyword("table_name"), names)
    named = text_of(shown.argument(0, *_NAME_KEYWORDS), names) if name in _NAMED else ""
    column = ""
    if name in ("drop_column", "alter_column"):
        column = text_of(shown.argument(1 - shift, "column_name"), names)
    elif name == "add_column":
        column = _column(shown.argument(1 - shift, *_COLUMN_KEYWORDS), names)
    return Where(batch.name if batch else table, column, batch.schema if batch else schema, named)


def object_operation(call: ast.Call, names: Names) -> tuple[str, Where] | None:
    """``enum.create(bind)``, ``table.drop(bind)``, ``metadata.create_all(bind)``: done without `op`."""
    if not isinstance(call.func, ast.Attribute):
        return None
    verb = call.func.attr
    match value_of(call.func.value, names):
        case EnumValue(name=name) if verb in ("create", "drop"):
            return f"{verb}_enum", Where(object_name=name)
        case TableValue(name=name, schema=schema, batch=False) if verb in ("create", "drop"):
            return f"{verb}_table", Where(name, schema=schema)
    return verb, Where()


def _name(node: ast.expr | None, names: Names) -> str:
    found = value_of(node, names)
    return found.name if isinstance(found, TableValue) else text_of(node, names)


def _column(node: ast.expr | None, names: Names) -> str:
    match node:
        case ast.Call() if last_name(node.func) in ("Column", "column"):
            keyword = next((k.value for k in node.keywords if k.arg == "name"), None)
            return text_of(node.args[0] if node.args else keyword, names)
    return ""
