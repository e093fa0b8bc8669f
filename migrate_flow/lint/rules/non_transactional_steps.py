"""A revision has several steps that MySQL and MariaDB each commit by themselves.

Problem: there every CREATE, ALTER and DROP commits at once, and with it what was written before. If the third step
fails, the first two stay: the version table says that nothing happened, running it again stumbles over what is there
already, and a person has to clean up by hand or with `recover`.

Instead of:

    op.add_column("orders", sa.Column("note", sa.Text()))
    op.create_index("ix_orders_note", "orders", ["note"], mysql_length=20)

Use: one step a revision; or one statement that does several things to one table:

    op.execute("ALTER TABLE orders ADD COLUMN note TEXT, ADD INDEX ix_orders_note (note(20))")

One finding a script. Where all steps are about tables that the upgrade makes, nothing of value is half done, and that
is not meant, nor is a history's first revision. A warning by default.
"""

from __future__ import annotations

from collections.abc import Iterator

from migrate_flow.core.finding import Severity
from migrate_flow.lint.changes import NO_DDL, Change, Kind
from migrate_flow.lint.effects import effects, on_standing
from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.script import Direction, Script


def check(script: Script) -> Iterator[Hit]:
    steps: dict[int, Change] = {}  # by line: what one statement does is done together
    for change in effects(script, Direction.UPGRADE):
        if change.kind not in NO_DDL and not change.inline:
            steps.setdefault(change.line, change)
    standing = {change.line for change in on_standing(script) if change.kind is not Kind.CREATE_TABLE}
    first_of_all = script.header is not None and not script.header.down_revision
    if len(steps) > 1 and not first_of_all and not standing.isdisjoint(steps):
        first, second = list(steps.values())[:2]
        what = "change" if first.kind is Kind.DDL else first.kind.value
        message = (
            f"{len(steps)} steps that are each committed at once: if one fails, those before it stay, "
            f"starting with the {what} of line {first.line}"
        )
        yield Hit(second.line, message, f"end the revision before line {second.line}, and go on in another one")


RULE = Rule(
    "non-transactional-steps", Group.SAFETY, check, severity=Severity.WARNING, dialects=frozenset({"mysql", "mariadb"})
)
