"""CONCURRENTLY is used inside a transaction.

Problem: PostgreSQL refuses it ("cannot run inside a transaction block"), and Alembic runs a revision in a transaction.
So the migration fails whenever it is run, and a downgrade that does it fails in the night when it is needed.

Instead of:

    op.create_index("ix_orders_user_id", "orders", ["user_id"], postgresql_concurrently=True)

Use: a block that has no transaction:

    with op.get_context().autocommit_block():
        op.create_index("ix_orders_user_id", "orders", ["user_id"], postgresql_concurrently=True)

The same holds for DROP INDEX, REINDEX and DETACH PARTITION with CONCURRENTLY. Both directions are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator

from migrate_flow.lint import fixes
from migrate_flow.lint.changes import Change, Kind
from migrate_flow.lint.effects import effects
from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.script import Direction, Script


def check(script: Script) -> Iterator[Hit]:
    for direction in Direction:
        ended = [change.line for change in effects(script, direction, Kind.TRANSACTION) if change.to == "COMMIT"]
        for change in effects(script, direction, Kind.CREATE_INDEX, Kind.CONCURRENTLY):
            # After a COMMIT it would run; inner-commit speaks of that.
            if change.online and not change.in_block and not any(line <= change.line for line in ended):
                where = "the upgrade" if direction is Direction.UPGRADE else "the downgrade"
                message = f"PostgreSQL refuses {_what(change)} in a transaction, and {where} runs in one"
                yield Hit(change.line, message, f"put it into a block: {fixes.in_autocommit('…')}")


def _what(change: Change) -> str:
    if change.kind is Kind.CREATE_INDEX:
        return f"CREATE INDEX CONCURRENTLY {change.name}".strip()
    return change.name


RULE = Rule("concurrent-index-in-transaction", Group.SAFETY, check, dialects=frozenset({"postgresql"}))
