"""A check constraint is added and checked in one step.

Problem: PostgreSQL reads every row of the table to check it, and until it is done nobody else can read or write the
table. MySQL and MariaDB copy the table, and nobody can write to it.

Instead of:

    op.create_check_constraint("ck_orders_total", "orders", "total >= 0")

Use: on PostgreSQL a constraint that holds for new rows only, which takes a moment:

    op.create_check_constraint("ck_orders_total", "orders", "total >= 0", postgresql_not_valid=True)

and in the next revision its check, during which others can read and write:

    op.execute("ALTER TABLE orders VALIDATE CONSTRAINT ck_orders_total")

Both in one transaction are as bad as the one step: the lock is kept until the end. A table that the same upgrade makes
is not meant: it has no rows yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate_flow.core.finding import Severity
from migrate_flow.lint import fixes
from migrate_flow.lint.changes import Change, Kind
from migrate_flow.lint.effects import on_standing, validated_at_once
from migrate_flow.lint.rule import Group, Hit, Rule

if TYPE_CHECKING:
    from migrate_flow.lint.script import Script


def check(script: Script) -> Iterator[Hit]:
    postgresql = bool(fixes.dialects_among(script, ["postgresql"]))
    for change in on_standing(script, Kind.ADD_CHECK):
        if change.online:
            if later := validated_at_once(script, change):
                message = f"in one transaction with it, the check of {change.name} keeps the lock on {change.shown}"
                yield Hit(
                    later.line, message, f"validate it in the next revision: {fixes.validate(change, change.name)}"
                )
            continue
        name = change.name or "the check"
        if postgresql:
            message = f"nobody else can read or write {change.shown} until every row is checked for {name}"
            yield Hit(change.line, message, _postgresql(change))
        else:
            message = f"{change.shown} is copied to add {name}, and nobody can write to it meanwhile"
            yield Hit(change.line, message, "do it when little is written; there is no way that checks the rows online")


def _postgresql(change: Change) -> str:
    name = fixes.constraint_name("ck", change)
    validate = fixes.validate(change, name)
    if change.raw and not change.inline:
        return f"end it with NOT VALID; in the next revision {validate}"
    code = fixes.again(change, name, postgresql_not_valid=True) or fixes.call(
        "create_check_constraint", name, fixes.table_of(change), " ".join(change.condition.split()) or fixes.Code("…"),
        schema=fixes.schema_of(change), postgresql_not_valid=True,
    )  # fmt: skip
    start = "leave the check out of the column, and " if change.inline else ""
    return f"{start}{code}; in the next revision {validate}"


RULE = Rule(
    "check-validated-at-once", Group.SAFETY, check, severity=Severity.WARNING,
    dialects=frozenset({"postgresql", "mysql", "mariadb"}),
)  # fmt: skip
