"""A column is renamed while code uses its name.

Problem: from one instant to the next, the release that runs selects a column that is not there, and the new release
can't run before that instant. There is no order of migrating and releasing that works.

Instead of:

    op.alter_column("users", "mail", new_column_name="email")

Use: leave the name in the database as it is, and change only the one in the code:

    email: Mapped[str] = mapped_column("mail")

Or do it in steps, each a release: add the new column, write both, copy the old values, read the new one, stop writing
the old one, drop it.

A warning by default: nothing is lost, and who releases with a pause may do it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate_flow.core.finding import Severity
from migrate_flow.lint.changes import Kind
from migrate_flow.lint.effects import added_columns, on_standing
from migrate_flow.lint.rule import Group, Hit, Rule

if TYPE_CHECKING:
    from migrate_flow.lint.script import Script


def check(script: Script) -> Iterator[Hit]:
    added = added_columns(script)
    for change in on_standing(script, Kind.RENAME_COLUMN):
        if (change.key, change.column) in added:
            continue
        to, old = (change.to or "…").strip("`"), change.column or "…"
        hint = (
            f'keep the name and change the code\'s: {to} = mapped_column("{old}"); or in steps: '
            f"add {change.shown}.{to}, write both, copy the values, read {to}, drop {old}"
        )
        yield Hit(change.line, f"code that runs while {change.where} becomes {to} no longer finds it", hint)


RULE = Rule("rename-column", Group.SAFETY, check, severity=Severity.WARNING)
