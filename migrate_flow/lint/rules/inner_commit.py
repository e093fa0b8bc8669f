"""A script ends the transaction that it runs in.

Problem: Alembic commits a revision together with its row in the version table, and we with its receipt. A COMMIT in
between makes half of it durable without either: if anything fails afterwards, nobody knows how far it came, and it can
be neither rolled back nor resumed. A ROLLBACK takes away what came before it, and the rest is recorded as applied.

Instead of:

    op.execute("COMMIT")
    op.get_bind().commit()

Use: nothing: it is committed when the revision is complete. For what can't run in a transaction, a block of Alembic's,
whose commit is announced:

    with op.get_context().autocommit_block():
        op.execute("VACUUM orders")

For a part that may fail, a savepoint:

    with op.get_bind().begin_nested():
        op.execute("UPDATE orders SET note = NULL")

The commit of an ORM session on Alembic's connection commits nothing, and is not meant; its rollback takes back
everything, and is. A rollback on the way out of the script by an exception is not meant. Both directions are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator

from migrate_flow.lint.changes import Kind
from migrate_flow.lint.commits import ended_by_call
from migrate_flow.lint.effects import effects
from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.script import Direction, Script

_HINT = (
    "take it out: the revision is committed when it is complete; what can't run in a transaction belongs into "
    "`with op.get_context().autocommit_block():`, what may fail into `with op.get_bind().begin_nested():`"
)


def check(script: Script) -> Iterator[Hit]:
    for direction in Direction:
        for change in effects(script, direction, Kind.TRANSACTION):
            yield Hit(change.line, f"{change.to} ends or splits the transaction that the {direction} runs in", _HINT)
    for ended in ended_by_call(script.tree) if script.tree else ():
        yield Hit(ended.line, f"{ended.shown} ends the transaction that the script runs in", _HINT)


RULE = Rule("inner-commit", Group.SAFETY, check)
