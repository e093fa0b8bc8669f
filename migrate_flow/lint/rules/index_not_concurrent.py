"""An index is built while nobody can write to the table.

Problem: PostgreSQL's plain CREATE INDEX reads the whole table and keeps every INSERT, UPDATE and DELETE waiting until
it is done; so does `index=True` of a Column that is added.

Instead of:

    op.create_index("ix_orders_user_id", "orders", ["user_id"])

Use: CONCURRENTLY, which takes longer and lets others write. It can't run in a transaction, so it needs a block that has
none, and a revision of its own (see autocommit-mixed):

    with op.get_context().autocommit_block():
        op.create_index("ix_orders_user_id", "orders", ["user_id"], postgresql_concurrently=True)

If it fails, an invalid index is left behind: drop it, concurrently too, before the next try.
A table that the same upgrade makes is not meant. MySQL and MariaDB build indexes while others write.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate_flow.core.finding import Severity
from migrate_flow.lint import fixes
from migrate_flow.lint.changes import Change, Kind
from migrate_flow.lint.effects import on_standing
from migrate_flow.lint.rule import Group, Hit, Rule

if TYPE_CHECKING:
    from migrate_flow.lint.script import Script


def check(script: Script) -> Iterator[Hit]:
    for change in on_standing(script, Kind.CREATE_INDEX):
        if not change.online:
            message = f"nobody can write to {change.shown} until {_name(change)} is built"
            yield Hit(change.line, message, _hint(change))


def _name(change: Change) -> str:
    return change.name or (f"the index on {', '.join(change.columns)}" if change.columns else "the index")


def _hint(change: Change) -> str:
    if change.raw:
        name = f" {change.name}" if change.name else ""
        code = fixes.execute(f"CREATE {'UNIQUE ' if change.unique else ''}INDEX CONCURRENTLY{name} ON …")
        return f"{fixes.ANOTHER_REVISION}: {fixes.in_autocommit(code)}"
    if written := fixes.again(change, postgresql_concurrently=True):
        return f"{fixes.ANOTHER_REVISION}: {fixes.in_autocommit(written)}"
    name = fixes.constraint_name("ix", change, *change.columns)
    code = fixes.call(
        "create_index", name, fixes.table_of(change), fixes.columns_of(change),
        unique=change.unique or None, schema=fixes.schema_of(change), postgresql_concurrently=True,
    )  # fmt: skip
    return f"leave index=True out of the column, and {fixes.ANOTHER_REVISION}: {fixes.in_autocommit(code)}"


RULE = Rule("index-not-concurrent", Group.SAFETY, check, severity=Severity.WARNING, dialects=frozenset({"postgresql"}))
