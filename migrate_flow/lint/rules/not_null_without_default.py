"""A column that must not be NULL is added without a default in the database.

Problem: the rows that are there have no value for it, so on PostgreSQL and SQLite the migration fails as soon as the
table holds a single row: not on an empty test database, but in production. MySQL and MariaDB make up a value (0, '')
that nobody chose. And until the new release has taken over, inserts of the running one, which does not know the column,
fail. `default=` of a Column is no help: only the application uses it.

Instead of:

    op.add_column("users", sa.Column("country", sa.String(2), nullable=False))

Use: a default that the database knows (it costs nothing on PostgreSQL 11 and later, and on MySQL 8):

    op.add_column("users", sa.Column("country", sa.String(2), nullable=False, server_default="DE"))

Or three steps: add it nullable, let the code write it and fill in the rest, then set NOT NULL (see set-not-null).
A table that the same upgrade makes or empties is not meant.
"""

from __future__ import annotations

from collections.abc import Iterator

from migrate_flow.core.finding import Severity
from migrate_flow.lint.changes import Change, Kind
from migrate_flow.lint.effects import effects, on_standing
from migrate_flow.lint.fixes import Code, call, column_of, schema_of, table_of
from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.script import Direction, Script


def check(script: Script) -> Iterator[Hit]:
    emptied = {
        change.key: change.line
        for change in reversed(effects(script, Direction.UPGRADE, Kind.ROWS))
        if change.every_row and not change.conditional
    }
    for change in on_standing(script, Kind.ADD_COLUMN):
        if change.nullable is not False or change.default or emptied.get(change.key, change.line) < change.line:
            continue
        message = f"rows that {change.shown} already holds have no value for {change.column or 'the new column'}"
        yield Hit(change.line, message, _hint(change))


def _hint(change: Change) -> str:
    kind = change.new.source if change.new and not change.raw else "…"
    column = Code(f'sa.Column("{change.column or "…"}", {kind}, nullable=False, server_default=…)')
    added = call("add_column", table_of(change), column, schema=schema_of(change))
    later = call("alter_column", table_of(change), column_of(change), nullable=False, schema=schema_of(change))
    return f"{added}; or add it nullable, fill it in, and in a later revision {later}"


RULE = Rule(
    "not-null-without-default", Group.SAFETY, check,
    severities={"mysql": Severity.WARNING, "mariadb": Severity.WARNING},
)  # fmt: skip
