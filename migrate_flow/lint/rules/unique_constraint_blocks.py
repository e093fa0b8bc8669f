"""A unique constraint builds its index while nobody else can use the table.

Problem: PostgreSQL builds the index of a UNIQUE or PRIMARY KEY constraint inside ALTER TABLE, which keeps out readers
and writers until it is done. If two rows are equal, it fails at the end of that. An exclusion constraint is the same.

Instead of:

    op.create_unique_constraint("uq_users_email", "users", ["email"])

Use: first the index, in a revision of its own, built while others work:

    with op.get_context().autocommit_block():
        op.create_index("uq_users_email", "users", ["email"], unique=True, postgresql_concurrently=True)

and in the next the constraint, which takes the index over in a moment:

    op.execute("ALTER TABLE users ADD CONSTRAINT uq_users_email UNIQUE USING INDEX uq_users_email")

For an exclusion constraint there is no such way: choose an hour in which the table may be locked, and say so in a
waiver. A table that the same upgrade makes is not meant.
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

_PREFIXES = {Kind.ADD_UNIQUE: "uq", Kind.ADD_PRIMARY_KEY: "pk"}


def check(script: Script) -> Iterator[Hit]:
    for change in on_standing(script, *_PREFIXES, Kind.ADD_EXCLUSION):
        if not change.online:
            what = change.name or "the constraint"
            message = f"nobody else can read or write {change.shown} until the index of {what} is built"
            yield Hit(change.line, message, _hint(change))


def _hint(change: Change) -> str:
    if change.kind is Kind.ADD_EXCLUSION:
        reason = fixes.waived("unique-constraint-blocks", f"{change.shown} is small enough to be locked")
        return f"there is no way without the lock; choose a quiet hour and say so: {reason}"
    name = fixes.constraint_name(_PREFIXES[change.kind], change, *(column.strip("`") for column in change.columns))
    code = fixes.call(
        "create_index", name, fixes.table_of(change), fixes.columns_of(change),
        schema=fixes.schema_of(change), unique=True, postgresql_concurrently=True,
    )  # fmt: skip
    word = "UNIQUE" if change.kind is Kind.ADD_UNIQUE else "PRIMARY KEY"
    quoted = fixes.sql_name(name)
    taken = fixes.execute(f"ALTER TABLE {fixes.sql_table(change)} ADD CONSTRAINT {quoted} {word} USING INDEX {quoted}")
    start = "leave it out of the column, and " if change.inline else ""
    return f"{start}{fixes.ANOTHER_REVISION}: {fixes.in_autocommit(code)}; in the next: {taken}"


RULE = Rule(
    "unique-constraint-blocks", Group.SAFETY, check, severity=Severity.WARNING, dialects=frozenset({"postgresql"})
)
