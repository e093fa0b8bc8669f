"""The upgrade destroys data that no downgrade can bring back.

Problem: A downgrade makes the table or column anew, and it is empty. The same holds for values that a narrower type
cuts off, and for rows that are deleted or overwritten. Not meant: tables and columns that the upgrade makes itself, an
UPDATE that only fills in what was NULL, and data that the upgrade copies or the downgrade writes back.

Instead of:

    def upgrade() -> None:
        op.drop_column("orders", "note")

Use: keep it for a while, and drop it when nobody has asked for it:

    def upgrade() -> None:
        op.alter_column("orders", "note", new_column_name="note_until_june")
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from migrate_flow.core.finding import Severity
from migrate_flow.lint.changes import Change, Kind
from migrate_flow.lint.effects import added_columns, on_standing
from migrate_flow.lint.narrowing import narrows
from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.script import Direction, Script, Sql
from migrate_flow.lint.touches import changed_tables
from migrate_flow.lint.tree import walk
from migrate_flow.lint.values import last_name

_NO_ROWS = frozenset({"sa", "op", "sqlalchemy", "postgresql", "mysql", "sqlite", "dialect"})
_READS = re.compile(r"\b(select|set|insert|copy|merge)\b", re.I)


def check(script: Script) -> Iterator[Hit]:
    for change in on_standing(script, Kind.DROP_TABLE, Kind.DROP_COLUMN):
        if (change.key, change.column) in added_columns(script) or _has_way_back(script, change):
            continue
        yield _dropped(change)
    for change in on_standing(script, Kind.SET_TYPE):
        if change.old and change.new and narrows(change.old, change.new):
            old, new = change.old.source, change.new.source
            message = f"{change.where} becomes {new}: what {old} holds beyond it is cut off or refused"
            yield Hit(change.line, message, f"count the rows of {change.shown} that do not fit, and say so in a waiver")
    for sql in script.raw(Direction.UPGRADE):
        for statement in sql.statements or ():
            yield from _rows(script, sql, statement)


def _dropped(change: Change) -> Hit:
    if change.kind is Kind.DROP_TABLE:
        hint = f'op.rename_table("{change.table or "…"}", "{change.table or "…"}_old"), and drop it in a later revision'
        return Hit(
            change.line, f"the rows of {change.shown} go with the table; a downgrade can't bring them back", hint
        )
    column = change.column.strip("`") or "…"
    hint = f'op.alter_column("{change.table or "…"}", "{column}", new_column_name="{column}_old"), and drop it later'
    return Hit(change.line, f"the values of {change.where} go with it; a downgrade can't bring them back", hint)


def _has_way_back(script: Script, change: Change) -> bool:
    """Whether SQL of the upgrade reads what goes, or SQL of the downgrade writes it again."""
    name = change.column or change.key
    for sql in script.sql:
        if sql.built and sql.data:
            return True
        if name and sql.text and _READS.search(sql.text) and re.search(rf"\b{re.escape(name)}\b", sql.text, re.I):
            return True
    return change.column != "" and change.column in _read_attributes(script)


def _read_attributes(script: Script) -> frozenset[str]:
    """``trial.value``: rows that are read through objects are being copied."""
    found = set()
    for node in walk(script.tree) if script.tree else ():
        if isinstance(node, ast.Attribute) and last_name(node.value) not in _NO_ROWS:
            found.add(node.attr)
    return frozenset(found)


def _rows(script: Script, sql: Sql, statement: Any) -> Iterator[Hit]:
    kind = str(statement.key)
    if kind not in ("update", "delete", "truncatetable"):
        return
    target = statement if kind != "truncatetable" else next(iter(statement.expressions), None)
    found = next(changed_tables(target), None) if kind != "truncatetable" else (getattr(target, "name", ""), "")
    table = found[0] if found else ""
    if table.lower() in {name.lower() for name in script.created} or _written_back(script, table):
        return
    if kind != "update":
        hint = f"copy them before it: op.execute('CREATE TABLE {table}_old AS …'); or waive it with a reason"
        yield Hit(sql.line_of(statement), f"the rows deleted from {table or 'the table'} can't come back", hint)
        return
    columns = [column for column in _assigned(statement) if (table.lower(), column) not in added_columns(script)]
    columns = [column for column in columns if not _fills_in(statement, column)]
    if columns:
        what = ", ".join(f"{table}.{column}" for column in columns)
        hint = f"keep the old values in a column of their own, and write them to {table} in downgrade()"
        yield Hit(sql.line_of(statement), f"the old values of {what} are overwritten and can't come back", hint)


def _assigned(statement: Any) -> list[str]:
    return [str(item.this.name) for item in statement.expressions if item.key == "eq"]


def _fills_in(statement: Any, column: str) -> bool:
    """``… WHERE status IS NULL``, here or in a subquery: nothing is lost."""
    found = (node for node in statement.walk() if node.key == "is")
    return any(node.this.name == column and node.expression.key == "null" for node in found)


def _written_back(script: Script, table: str) -> bool:
    for sql in script.raw(Direction.DOWNGRADE):
        if sql.data and (sql.text is None or re.search(rf"\b{re.escape(table)}\b", sql.text, re.I)):
            return True
    return any(op.table == table for op in script.down("bulk_insert"))


RULE = Rule("irreversible-operation", Group.REVERSIBILITY, check, Severity.WARNING)
