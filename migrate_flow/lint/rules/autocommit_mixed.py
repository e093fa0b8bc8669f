"""An autocommit block stands behind other changes of the same revision.

Problem: entering the block commits what stands before it, and leaves the version table as it was. If the block then
fails (a concurrent index build that meets a duplicate, a lock timeout), the revision is half done: it can't be rolled
back as a whole, and running it again stumbles over its own first half.

Instead of:

    op.add_column("orders", sa.Column("user_id", sa.Integer()))
    with op.get_context().autocommit_block():
        op.create_index("ix_orders_user_id", "orders", ["user_id"], postgresql_concurrently=True)

Use: two revisions, the block alone in the second:

    with op.get_context().autocommit_block():
        op.create_index("ix_orders_user_id", "orders", ["user_id"], postgresql_concurrently=True)

`SET lock_timeout` and reads before the block are not meant. Both directions are looked at. A warning by default:
`recover --resume` can go on after such a failure.
"""

from __future__ import annotations

from collections.abc import Iterator

from migrate_flow.core.finding import Severity
from migrate_flow.lint.changes import Change, Kind
from migrate_flow.lint.commits import ended_by_call
from migrate_flow.lint.effects import effects
from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.script import Direction, Script

_NO_CHANGE = frozenset({Kind.TRANSACTION, Kind.OTHER})


def check(script: Script) -> Iterator[Hit]:
    for direction in Direction:
        changes = [change for change in effects(script, direction) if change.kind not in _NO_CHANGE]
        block = next((change for change in changes if change.in_block), None)
        if block is None:
            continue
        before = next((c for c in changes if c.line < block.line and not c.in_block and not c.conditional), None)
        if before is not None and not _committed(script, before.line, block.line):
            message = (
                f"entering the autocommit block commits {_what(before)} of line {before.line}: "
                "if the block fails, the revision is half done"
            )
            yield Hit(
                block.line, message, f"leave the block alone in a revision that follows the one with line {before.line}"
            )


def _committed(script: Script, after: int, until: int) -> bool:
    """By hand, which inner-commit speaks of."""
    ended = ended_by_call(script.tree) if script.tree else ()
    return any(after < end.line < until for end in ended)


def _what(change: Change) -> str:
    on = change.where if change.column else change.shown
    return f"the {change.kind.value} on {on}" if on and change.kind is not Kind.DDL else "the change"


RULE = Rule("autocommit-mixed", Group.SAFETY, check, severity=Severity.WARNING, dialects=frozenset({"postgresql"}))
