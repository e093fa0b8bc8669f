"""The constraints and indexes that an upgrade makes, with the names that it gives them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from migrate_flow.lint.script import Operation, Script, once
from migrate_flow.lint.tree import walk
from migrate_flow.lint.values import last_name

_BY_OPERATION = {
    "create_foreign_key": "fk",
    "create_unique_constraint": "uq",
    "create_check_constraint": "ck",
    "create_primary_key": "pk",
    "create_index": "ix",
}
_BY_CLASS = {
    "ForeignKeyConstraint": "fk",
    "ForeignKey": "fk",
    "UniqueConstraint": "uq",
    "CheckConstraint": "ck",
    "PrimaryKeyConstraint": "pk",
    "Index": "ix",
}
_NAME_FIRST = frozenset({"Index"})
TITLES = {
    "fk": "foreign key",
    "uq": "unique constraint",
    "ck": "check constraint",
    "pk": "primary key",
    "ix": "index",
}


@dataclass(frozen=True, slots=True)
class Constraint:
    """name: None where none is given, "" where it is computed. columns: as far as they are literal."""

    kind: str
    name: str | None
    table: str
    line: int
    of: Operation
    columns: tuple[str, ...] = ()


@once
def constraints(script: Script) -> tuple[Constraint, ...]:
    found: list[Constraint] = []
    for op in script.up():
        if op.name in _BY_OPERATION:
            found.append(_made_alone(op))
        elif op.name in ("create_table", "add_column"):
            found += _made_with(op)
    return tuple(found)


def _made_alone(op: Operation) -> Constraint:
    given = op.argument(0, "constraint_name", "index_name")
    name = _name(given) if not op.object_name else op.object_name
    texts = [_texts(arg) for arg in op.call.args if isinstance(arg, ast.List | ast.Tuple)]
    return Constraint(_BY_OPERATION[op.name], name, op.table, op.line, op, texts[0] if texts else ())


def _made_with(op: Operation) -> Iterator[Constraint]:
    calls = [node for node in walk(op.call) if isinstance(node, ast.Call)]
    own = {id(inner): name for call in calls for inner, name in _inside_column(call)}
    for node in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
        if kind := _BY_CLASS.get(last_name(node.func)):
            keyword = next((k.value for k in node.keywords if k.arg == "name"), None)
            first = node.args[0] if node.args else None
            given = first if last_name(node.func) in _NAME_FIRST else keyword
            columns = own.get(id(node)) or _texts(first) or _texts_of(node.args[1:] if first is given else node.args)
            columns = () if kind == "ck" else columns
            yield Constraint(kind, _name(given), op.table, node.lineno, op, columns)


def _inside_column(call: ast.Call) -> Iterator[tuple[ast.expr, tuple[str, ...]]]:
    """What stands among a column's arguments speaks of this column."""
    if last_name(call.func) == "Column" and call.args and isinstance(call.args[0], ast.Constant):
        yield from ((argument, (str(call.args[0].value),)) for argument in call.args[1:])


def _name(node: ast.expr | None) -> str | None:
    match node:
        case None | ast.Constant(value=None):
            return None
        case ast.Constant(value=str(text)):
            return text
        case ast.Call(args=[ast.Constant(value=str(text))]) if last_name(node.func) in ("f", "conv", "quoted_name"):
            return text
    return ""


def _texts(node: ast.expr | None) -> tuple[str, ...]:
    return _texts_of(node.elts) if isinstance(node, ast.List | ast.Tuple) else ()


def _texts_of(items: list[ast.expr]) -> tuple[str, ...]:
    return tuple(item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str))
