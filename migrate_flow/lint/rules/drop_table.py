"""A table is dropped.

Problem: its rows are gone, and a rollback brings back an empty table. Whatever still reads it, such as the release
that runs until the new one has taken over, a report or a replica's consumer, fails at once.

Instead of:

    op.drop_table("sessions")

Use: release code that no longer speaks of the table, wait until nothing reads it, and keep a copy of what may be asked
for later. Then drop it in a revision of its own, and say why it may go:

    op.drop_table("sessions")  # migrate-flow: ignore[drop-table] nothing reads it since 4.2, copied to the archive

A table that the same upgrade makes is not meant, nor what a downgrade drops: that is what a rollback is for, and the
rehearsal says what would be lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate_flow.lint.changes import Kind
from migrate_flow.lint.effects import on_standing
from migrate_flow.lint.fixes import waived
from migrate_flow.lint.rule import Group, Hit, Rule

if TYPE_CHECKING:
    from migrate_flow.lint.script import Script


def check(script: Script) -> Iterator[Hit]:
    for change in on_standing(script, Kind.DROP_TABLE, Kind.DROP_SCHEMA):
        what = change.shown if change.kind is Kind.DROP_TABLE else change.name
        hint = (
            f"first release code that does not use {what}, and keep a copy of what may be asked for; "
            f"then drop it with the reason: {waived('drop-table', 'nothing reads it since …')}"
        )
        yield Hit(change.line, f"dropping {what} deletes all its rows, and a rollback does not bring them back", hint)


RULE = Rule("drop-table", Group.SAFETY, check)
