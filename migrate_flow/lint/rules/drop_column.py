"""A column is dropped.

Problem: its values are gone, and a rollback brings back an empty column. The release that runs until the new one has
taken over still selects it: an ORM names every column that it knows, so each of its queries on the table fails.

Instead of:

    op.drop_column("users", "email")

Use: first a release whose model does not have the column (and, if it is NOT NULL, a migration that gives it a default
or makes it nullable, so that inserts go on). Then drop it in a revision of its own, and say why it may go:

    op.drop_column("users", "email")  # migrate-flow: ignore[drop-column] not in the model since 4.2

A column that the same upgrade adds, or of a table that it makes, is not meant; nor is the downgrade.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate_flow.lint.changes import Kind
from migrate_flow.lint.effects import added_columns, on_standing
from migrate_flow.lint.fixes import waived
from migrate_flow.lint.rule import Group, Hit, Rule

if TYPE_CHECKING:
    from migrate_flow.lint.script import Script


def check(script: Script) -> Iterator[Hit]:
    added = added_columns(script)
    for change in on_standing(script, Kind.DROP_COLUMN):
        if (change.key, change.column) in added:
            continue
        message = (
            f"dropping {change.where} deletes its values, which a rollback does not bring back, "
            "and running code that still selects it fails"
        )
        hint = (
            f"first release code whose model of {change.shown} has no {change.column or 'such column'}; "
            f"then drop it with the reason: {waived('drop-column', 'not in the model since …')}"
        )
        yield Hit(change.line, message, hint)


RULE = Rule("drop-column", Group.SAFETY, check)
