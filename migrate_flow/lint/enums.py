"""Types that PostgreSQL makes for enums, and that dropping their table leaves behind."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from migrate_flow.lint.rule import Hit
from migrate_flow.lint.script import Direction, Operation, Script
from migrate_flow.lint.tree import walk
from migrate_flow.lint.values import last_name
from migrate_flow.lint.work import Function, calls_elsewhere


def left_behind(script: Script, upgrade: Function, downgrade: Function) -> Iterator[Hit]:
    """`create_table` makes the types of its columns; `op.drop_table` does not know them."""
    dialects = script.settings.dialects
    if dialects and "postgresql" not in dialects:
        return
    made = [(op, _name(call)) for op in script.up("create_table") for call in _enums(op, script.tree)]
    if not made or calls_elsewhere(script, downgrade) or _drops_something(downgrade):
        return
    texts = [sql.text for sql in script.raw(Direction.DOWNGRADE)]
    for op, name in made:
        if name and not any(text is None or name in text for text in texts):
            message = f"the downgrade leaves the type {name} of {op.table or 'the table'} behind on PostgreSQL"
            yield Hit(op.line, message, f'sa.Enum(name="{name}").drop(op.get_bind())')


def _enums(op: Operation, tree: ast.Module | None) -> Iterator[ast.Call]:
    """The enum types among a table's columns, also by a name that is assigned once in the script."""
    assigned = {}
    for node in walk(tree) if tree else ():
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as call) if _is_enum(call):
                assigned[name] = call
    for column in (c for c in walk(op.call) if isinstance(c, ast.Call) and last_name(c.func) == "Column"):
        for argument in [*column.args[:2], *(k.value for k in column.keywords if k.arg == "type_")]:
            if isinstance(argument, ast.Call) and _is_enum(argument):
                yield argument
            elif isinstance(argument, ast.Name) and argument.id in assigned:
                yield assigned[argument.id]


def _is_enum(call: ast.Call) -> bool:
    off = {k.arg for k in call.keywords if isinstance(k.value, ast.Constant) and k.value.value is False}
    return last_name(call.func) in ("Enum", "ENUM") and off.isdisjoint({"create_type", "native_enum"})


def _name(call: ast.Call) -> str:
    for keyword in call.keywords:
        if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
            return str(keyword.value.value)
    return ""


def _drops_something(downgrade: Function) -> bool:
    """``status.drop(op.get_bind())``, whatever ``status`` is."""
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("drop", "drop_all")
        for node in walk(downgrade)
    )
