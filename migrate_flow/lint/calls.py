"""Alembic's operations to changes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from migrate_flow.lint.changes import Change, Kind
from migrate_flow.lint.column_types import type_of, written
from migrate_flow.lint.defaults import Default, default_of
from migrate_flow.lint.operations import NONE
from migrate_flow.lint.values import last_name

if TYPE_CHECKING:
    from migrate_flow.lint.script import Operation

_NUMBERED = frozenset({"integer", "bigint", "smallint"})
_CONSTRAINTS = {
    "create_check_constraint": Kind.ADD_CHECK,
    "create_exclude_constraint": Kind.ADD_EXCLUSION,
    "create_foreign_key": Kind.ADD_FOREIGN_KEY,
    "create_primary_key": Kind.ADD_PRIMARY_KEY,
    "create_unique_constraint": Kind.ADD_UNIQUE,
}
# Of `op`, and not a statement that changes the schema.
_NO_DDL = NONE | {"batch_alter_table", "invoke", "get_columns"}


def changes_of_call(op: Operation) -> Iterator[Change]:
    # The operations of a batch name no table: their arguments stand one place further to the front.
    shift = 1 if op.in_batch else 0
    match op.name:
        case "create_table" | "drop_table":
            yield _on(op, Kind(op.name.replace("_", " ")), 0)
        case "rename_table":
            yield _on(op, Kind.RENAME_TABLE, 0, to=_text(op.argument(1, "new_table_name")))
        case "drop_column":
            yield _on(op, Kind.DROP_COLUMN, 0, column=_shown(op.column, op.argument(1 - shift, "column_name")))
        case "add_column":
            yield from _add_column(op, op.argument(1 - shift, "column"))
        case "alter_column":
            yield from _alter_column(op, op.argument(1 - shift, "column_name"))
        case "create_index":
            yield _on(
                op, Kind.CREATE_INDEX, 1, name=op.object_name, columns=_texts(op.argument(2 - shift, "columns")),
                online=_on_purpose(op, "postgresql_concurrently"), unique=_on_purpose(op, "unique"),
            )  # fmt: skip
        case "drop_index" if _on_purpose(op, "postgresql_concurrently"):
            yield _on(op, Kind.CONCURRENTLY, 1, name=f"DROP INDEX CONCURRENTLY {op.object_name}".strip(), online=True)
        case name if name in _CONSTRAINTS:
            yield _constraint(op, _CONSTRAINTS[name], shift)
        case "bulk_insert":
            yield _on(op, Kind.ROWS, 0)
        case name if name not in _NO_DDL:
            yield _on(op, Kind.DDL, -1)


def _constraint(op: Operation, kind: Kind, shift: int) -> Change:
    online = _on_purpose(op, "postgresql_not_valid")
    if kind is Kind.ADD_FOREIGN_KEY:
        referent = _text(op.argument(2 - shift, "referent_table"))
        schema = op.literal("referent_schema")
        to = f"{schema}.{referent}" if isinstance(schema, str) and referent else referent
        columns = _texts(op.argument(3 - shift, "local_cols"))
        return _on(op, kind, 1, name=op.object_name, to=to, columns=columns, online=online)
    if kind is Kind.ADD_CHECK:
        condition = op.argument(2 - shift, "condition")
        return _on(op, kind, 1, name=op.object_name, condition=_text(condition), online=online)
    return _on(op, kind, 1, name=op.object_name, columns=_texts(op.argument(2 - shift, "columns")))


def _add_column(op: Operation, column: ast.expr | None) -> Iterator[Change]:
    name = _shown(op.column, None)
    if not isinstance(column, ast.Call):
        yield _on(op, Kind.ADD_COLUMN, 0, column=name)
        return
    said = {keyword.arg: keyword.value for keyword in column.keywords}
    inner = {last_name(arg.func): arg for arg in column.args if isinstance(arg, ast.Call)}
    kind = type_of(next(iter(column.args[1:2]), None) or said.get("type_"))
    primary = _true(said.get("primary_key"))
    default = _default(said, inner) or (
        Default("SERIAL", numbers=True)
        if primary and kind and kind.family in _NUMBERED and not _false(said.get("autoincrement"))
        else None
    )
    nullable = False if primary or _false(said.get("nullable")) else None if _computed(said.get("nullable")) else True
    yield _on(op, Kind.ADD_COLUMN, 0, column=name, nullable=nullable, default=default, new=kind)
    columns = (name,) if name else ()
    reference = inner.get("ForeignKey")
    # Alembic sends the constraint as a statement of its own, which reads every row, unless told to write it inline.
    if reference and not (_on_purpose(op, "inline_references") and not default):
        to = _text(reference.args[0] if reference.args else None).rpartition(".")[0]
        yield _on(op, Kind.ADD_FOREIGN_KEY, 0, columns=columns, to=to, inline=True)
    if check := inner.get("CheckConstraint"):
        named = next((_text(keyword.value) for keyword in check.keywords if keyword.arg == "name"), "")
        yield _on(op, Kind.ADD_CHECK, 0, name=named, condition=_text(next(iter(check.args), None)), inline=True)
    if _true(said.get("index")):
        yield _on(op, Kind.CREATE_INDEX, 0, columns=columns, unique=_true(said.get("unique")), inline=True)
    elif _true(said.get("unique")):
        yield _on(op, Kind.ADD_UNIQUE, 0, columns=columns, inline=True)


def _default(said: dict[str | None, ast.expr], inner: dict[str, ast.Call]) -> Default | None:
    if identity := inner.get("Identity"):
        return Default(written(identity), numbers=True)
    if computed := inner.get("Computed"):
        persisted = next((k.value for k in computed.keywords if k.arg == "persisted"), None)
        return Default(written(computed), stored=_true(persisted))
    if sequence := inner.get("Sequence"):
        return default_of(said.get("server_default")) or Default(written(sequence))
    return default_of(said.get("server_default"))


def _alter_column(op: Operation, named: ast.expr | None) -> Iterator[Change]:
    column = _shown(op.column, named)
    said = frozenset(keyword.arg for keyword in op.call.keywords)
    if op.literal("nullable") is False and op.literal("existing_nullable") is not False:
        yield _on(op, Kind.SET_NOT_NULL, 0, column=column)
    if (new := op.keyword("type_")) is not None and not _none(new):
        yield _on(op, Kind.SET_TYPE, 0, column=column, old=type_of(op.keyword("existing_type")), new=type_of(new))
    if (to := op.keyword("new_column_name") or op.keyword("name")) is not None and _text(to) != op.column:
        yield _on(op, Kind.RENAME_COLUMN, 0, column=column, to=_shown(_text(to), to))
    if not said & {"type_", "nullable", "new_column_name", "name"}:
        yield _on(op, Kind.DDL, 0)


def _on(op: Operation, kind: Kind, place: int, **facts: Any) -> Change:
    """place: of the table among the arguments of the plain operation."""
    name = f"{op.schema}.{op.table}" if op.schema and op.table else op.table
    given = None if op.in_batch else op.argument(place, "table_name", "source_table", "old_table_name")
    shown = _shown(name, given) or "the table"
    return Change(
        kind, op.line, op.table, shown, op.schema, call=op.call, in_batch=op.in_batch, in_block=op.in_block,
        conditional=op.conditional, **facts,
    )  # fmt: skip


def _shown(literal: str, node: ast.expr | None) -> str:
    """The name, or the expression that computes it."""
    if literal or node is None:
        return literal
    source = " ".join(ast.unparse(node).split())
    return f"`{source}`" if len(source) <= 40 else ""


def _text(node: ast.expr | None) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Call(func=called, args=[ast.Constant(value=str(text)), *_]) if last_name(called) in ("text", "f"):
            return text
    return ""


def _texts(node: ast.expr | None) -> tuple[str, ...]:
    """Empty where one of them is computed."""
    if isinstance(node, ast.List | ast.Tuple):
        found = tuple(_text(item) for item in node.elts)
        return found if all(found) else ()
    return (_text(node),) if node is not None and _text(node) else ()


def _on_purpose(op: Operation, keyword: str) -> bool:
    """Said, and not as False: an expression is taken at its word."""
    return op.literal(keyword, False) not in (False, None)


def _true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _false(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def _none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _computed(node: ast.expr | None) -> bool:
    return node is not None and not isinstance(node, ast.Constant)
