"""Which tables a script changes, by operations and by SQL that it spells out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from migrate_flow.lint.tree import walk
from migrate_flow.lint.values import last_name
from migrate_flow.lint.work import Work, operation_work, statement_work

if TYPE_CHECKING:
    from migrate_flow.lint.script import Operation, Script


@dataclass(frozen=True, slots=True)
class Touch:
    """names: of the table as written, with its schema and without."""

    table: str
    schema: str
    line: int

    @property
    def names(self) -> tuple[str, ...]:
        return (self.table, f"{self.schema}.{self.table}") if self.schema else (self.table,)


def touches(script: Script) -> Iterator[Touch]:
    """In both directions, in the source's order of each kind."""
    for op in script.operations:
        if operation_work(op) is not Work.NOTHING or op.name == "batch_alter_table":
            yield from (Touch(name, op.schema, op.line) for name in (op.table, new_table(op)) if name)
    built = False
    for sql in script.sql:
        built = built or (sql.built and sql.data)
        for statement in sql.statements or ():
            for table, schema in changed_tables(statement):
                yield Touch(table, schema, sql.line)
    if built:
        yield from _described(script)


def new_table(op: Operation) -> str:
    """The name that `rename_table` gives."""
    if op.name != "rename_table":
        return ""
    match op.argument(1, "new_table_name"):
        case ast.Constant(value=str(name)):
            return name
    return ""


def changed_tables(statement: Any) -> Iterator[tuple[str, str]]:
    """(table, schema) of what a statement, or a part of one (`WITH … DELETE`), writes to. statement: sqlglot's."""
    if statement_work(statement) is Work.SCHEMA:
        yield from _first_table(statement.this)
        return
    for node in statement.walk():
        if statement_work(node) is Work.DATA:
            yield from _first_table(node.this)


def _first_table(node: Any) -> Iterator[tuple[str, str]]:
    if hasattr(node, "walk"):
        found = next((item for item in node.walk() if item.key == "table" and item.name), None)
        if found is not None:
            yield found.name, found.db


def _described(script: Script) -> Iterator[Touch]:
    """``sa.table("x", …)`` of a script that writes rows by expressions: which of them is written, is not looked at."""
    for node in walk(script.tree) if script.tree else ():
        match node:
            case ast.Call(args=[ast.Constant(value=str(name)), *_]) if last_name(node.func) in ("table", "Table"):
                yield Touch(name, "", node.lineno)
