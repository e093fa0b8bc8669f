"""One upgrade changes a table and rewrites rows of it.

Problem: The change of the table locks it until the transaction ends, so everybody waits for the rows to be written;
where the database commits each change of the schema by itself (MySQL), a failure in between leaves half of it. Not
meant: rows that are only inserted as literals, and tables that the upgrade makes itself.

Instead of:

    def upgrade() -> None:
        op.add_column("orders", sa.Column("status", sa.Text()))
        op.execute("UPDATE orders SET status = 'open'")
        op.alter_column("orders", "status", nullable=False)

Use: three revisions, for the column, for the rows and for NOT NULL; the second in batches where there are many rows.
"""

from __future__ import annotations

from collections.abc import Iterator

from migrate_flow.core.finding import Severity
from migrate_flow.lint.changes import NO_DDL, Kind
from migrate_flow.lint.effects import on_standing
from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.script import Direction, Script
from migrate_flow.lint.touches import changed_tables

_REWRITES = frozenset({"update", "delete", "merge"})
_OFTEN_QUICK = frozenset({Kind.CREATE_INDEX, Kind.CONCURRENTLY, Kind.RENAME_TABLE, Kind.DROP_TABLE})


def check(script: Script) -> Iterator[Hit]:
    changed: dict[str, int] = {}
    for change in on_standing(script):
        if change.key and change.kind not in NO_DDL and change.kind not in _OFTEN_QUICK and not change.in_block:
            changed.setdefault(change.key, change.line)
    for table, line in _rewritten(script).items():
        if table.lower() in changed:
            other = changed[table.lower()]
            message = f"{table} is changed (line {other}) and its rows are rewritten in one revision"
            hint = f'migrate-flow new -m "fill {table}", and move the rows there'
            yield Hit(line, message, hint)


def _rewritten(script: Script) -> dict[str, int]:
    found: dict[str, int] = {}
    for sql in script.raw(Direction.UPGRADE):
        for statement in sql.statements or () if not sql.in_block else ():
            if str(statement.key) in _REWRITES:
                for table, _schema in changed_tables(statement):
                    found.setdefault(table, sql.line)
    return found


RULE = Rule("mixed-schema-and-data", Group.STYLE, check, Severity.WARNING)
