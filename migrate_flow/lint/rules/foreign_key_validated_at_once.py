"""A foreign key is added and checked in one step.

Problem: PostgreSQL reads every row of the table to check it, and until it is done nobody can write to either of the two
tables. MySQL and MariaDB copy the table, and nobody can write to it. A foreign key in a Column that is added is the
same: Alembic sends it as a statement of its own.

Instead of:

    op.create_foreign_key("fk_orders_user", "orders", "users", ["user_id"], ["id"])

Use: on PostgreSQL a constraint that holds for new rows only, which takes a moment:

    op.create_foreign_key("fk_orders_user", "orders", "users", ["user_id"], ["id"], postgresql_not_valid=True)

and in the next revision its check, during which others can write:

    op.execute("ALTER TABLE orders VALIDATE CONSTRAINT fk_orders_user")

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
    for change in on_standing(script, Kind.ADD_FOREIGN_KEY):
        if change.online:
            if later := validated_at_once(script, change):
                message = f"in one transaction with it, the check of {change.name} keeps the lock on {change.shown}"
                yield Hit(
                    later.line, message, f"validate it in the next revision: {fixes.validate(change, change.name)}"
                )
            continue
        to = change.to or "the other table"
        if postgresql:
            message = f"nobody can write to {change.shown} or {to} until every row of {change.shown} is checked"
            yield Hit(change.line, message, _postgresql(change))
        else:
            message = f"{change.shown} is copied to add a foreign key to {to}, and nobody can write to it meanwhile"
            yield Hit(change.line, message, "do it when little is written; there is no way that checks the rows online")


def _postgresql(change: Change) -> str:
    name = fixes.constraint_name("fk", change, *(column.strip("`") for column in change.columns))
    validate = fixes.validate(change, name)
    if change.raw and not change.inline:
        return f"end it with NOT VALID; in the next revision {validate}"
    code = fixes.again(change, name, postgresql_not_valid=True) or fixes.call(
        "create_foreign_key", name, fixes.table_of(change), change.to or fixes.Code("…"), fixes.columns_of(change),
        fixes.Code("[…]"), source_schema=fixes.schema_of(change), postgresql_not_valid=True,
    )  # fmt: skip
    start = "leave the reference out of the column, and " if change.inline else ""
    return f"{start}{code}; in the next revision {validate}"


RULE = Rule(
    "foreign-key-validated-at-once", Group.SAFETY, check, severity=Severity.WARNING,
    dialects=frozenset({"postgresql", "mysql", "mariadb"}),
)  # fmt: skip
