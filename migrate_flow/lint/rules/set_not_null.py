"""A column that may be NULL becomes NOT NULL in one step.

Problem: PostgreSQL reads every row to see that none is NULL, and until it is done nobody else can read or write the
table. On every database it fails if a single row has no value, and from then on inserts of running code that leaves the
column out fail.

Instead of:

    op.alter_column("users", "email", nullable=False)

Use: on PostgreSQL a constraint that is not checked yet, then its check, which others hardly notice, and then NOT NULL,
for which PostgreSQL (12 and later) takes the constraint's word. In one revision:

    op.create_check_constraint("ck_users_email_set", "users", "email IS NOT NULL", postgresql_not_valid=True)

And in the next:

    op.execute("ALTER TABLE users VALIDATE CONSTRAINT ck_users_email_set")
    op.alter_column("users", "email", nullable=False)
    op.drop_constraint("ck_users_email_set", "users")

Elsewhere: fill in the missing values first, in the same upgrade.
"""

from __future__ import annotations

from collections.abc import Iterator

from migrate_flow.core.finding import Severity
from migrate_flow.lint import fixes
from migrate_flow.lint.changes import Change, Kind
from migrate_flow.lint.effects import effects, on_standing
from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.script import Direction, Script


def check(script: Script) -> Iterator[Hit]:
    earlier = effects(script, Direction.UPGRADE, Kind.VALIDATE, Kind.ROWS)
    built = [sql.line for sql in script.raw(Direction.UPGRADE) if sql.built and sql.data]
    postgresql = bool(fixes.dialects_among(script, ["postgresql"]))
    for change in on_standing(script, Kind.SET_NOT_NULL):
        before = {c.kind for c in earlier if c.key == change.key and c.line < change.line}
        filled = Kind.ROWS in before or any(line < change.line for line in built)
        if postgresql and Kind.VALIDATE not in before:
            message = f"to set {change.where} NOT NULL, PostgreSQL reads the whole table while nobody else can use it"
            yield Hit(change.line, message, _postgresql(change))
        elif not postgresql and not filled:
            message = f"this fails if a single row of {change.shown} has no {change.column or 'value'}"
            yield Hit(change.line, message, f"fill in what is missing first: {_fill(change)}")


def _postgresql(change: Change) -> str:
    name = fixes.constraint_name("ck", change, change.column.strip("`"), "set")
    check_it = fixes.call(
        "create_check_constraint", name, fixes.table_of(change), f"{fixes.sql_column(change)} IS NOT NULL",
        schema=fixes.schema_of(change), postgresql_not_valid=True,
    )  # fmt: skip
    return f"first {check_it}; in the next revision {fixes.validate(change, name)}, then this statement"


def _fill(change: Change) -> str:
    column = fixes.sql_column(change)
    return fixes.execute(f"UPDATE {fixes.sql_table(change)} SET {column} = … WHERE {column} IS NULL")  # noqa: S608


RULE = Rule("set-not-null", Group.SAFETY, check, severity=Severity.WARNING)
