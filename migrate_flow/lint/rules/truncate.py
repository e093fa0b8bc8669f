"""A table is emptied by raw SQL.

Problem: TRUNCATE deletes every row at once, takes the strongest lock there is, and no downgrade brings a row back.
On PostgreSQL it is not even seen by transactions that began before: to them the table is suddenly empty.

Instead of:

    op.execute("TRUNCATE sessions")

Use: delete in a job of its own what may go, in batches that others hardly notice; or, where the table is really to be
emptied, say so with a reason:

    op.execute("TRUNCATE sessions")  # migrate-flow: ignore[truncate] sessions are rebuilt at the next login
"""

from __future__ import annotations

from collections.abc import Iterator

from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.script import Direction, Script


def check(script: Script) -> Iterator[Hit]:
    for sql in script.raw(Direction.UPGRADE):
        for statement in sql.statements or ():
            if type(statement).__name__ != "TruncateTable":
                continue
            tables = [table.name for table in statement.expressions]
            if not script.created.issuperset(tables):
                names = ", ".join(tables)
                hint = f"delete the rows of {names} in batches, in a job of its own; or waive this with the reason"
                yield Hit(
                    sql.line_of(statement), f"TRUNCATE deletes every row of {names}, and nothing brings them back", hint
                )


RULE = Rule("truncate", Group.SAFETY, check)
