"""A table is renamed while code uses its name.

Problem: from one instant to the next, the release that runs queries a table that is not there, and the new release
can't run before that instant. There is no order of migrating and releasing that works.

Instead of:

    op.rename_table("users", "people")

Use: leave the name in the database as it is, and change only the one in the code:

    class Person(Base):
        __tablename__ = "users"

Or leave a view behind under the old name, in the same revision, until no code asks for it (simple views can be written
to as well):

    op.rename_table("users", "people")
    op.execute("CREATE VIEW users AS SELECT * FROM people")

A warning by default: nothing is lost, and who releases with a pause may do it.
"""

from __future__ import annotations

from collections.abc import Iterator

from migrate_flow.core.finding import Severity
from migrate_flow.lint.changes import Kind
from migrate_flow.lint.effects import effects, on_standing
from migrate_flow.lint.fixes import execute, sql_name, sql_table
from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.script import Direction, Script


def check(script: Script) -> Iterator[Hit]:
    views = {change.key for change in effects(script, Direction.UPGRADE, Kind.CREATE_VIEW)}
    dropped = {change.key for change in effects(script, Direction.UPGRADE, Kind.DROP_TABLE)}
    for change in on_standing(script, Kind.RENAME_TABLE):
        # A table that takes the place of one dropped here: drop-table speaks of it.
        if change.key in views or change.to.lower() in dropped:
            continue
        view = execute(f"CREATE VIEW {sql_table(change)} AS SELECT * FROM {sql_name(change.to)}")  # noqa: S608
        hint = (
            f'keep the name and change the code\'s: __tablename__ = "{change.table or "…"}"; '
            f"or leave a view behind, in this revision: {view}"
        )
        yield Hit(
            change.line, f"code that runs while {change.shown} becomes {change.to or '…'} no longer finds it", hint
        )


RULE = Rule("rename-table", Group.SAFETY, check, severity=Severity.WARNING)
