"""The downgrade only raises an error.

Problem: The change can't be rolled back at all, and the project asks that each can be. Where that is really so, it is
an exception that a reviewer should see: waive the finding with the reason, which then is part of what is approved.

Instead of:

    def downgrade() -> None:
        raise NotImplementedError

Use:

    def downgrade() -> None:
        op.add_column("orders", sa.Column("note", sa.Text()))

or:

    def downgrade() -> None:
        raise NotImplementedError  # migrate-flow: ignore[raising-downgrade] the old keys are destroyed on purpose
"""

from __future__ import annotations

from collections.abc import Iterator

from migrate_flow.lint.inverse import reverse_code
from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.script import Direction, Script
from migrate_flow.lint.work import Work, does_nothing, operation_work, raises


def check(script: Script) -> Iterator[Hit]:
    upgrade, downgrade = script.function(Direction.UPGRADE), script.function(Direction.DOWNGRADE)
    node = raises(downgrade) if downgrade else None
    if node is None:
        return
    if upgrade and does_nothing(upgrade):
        yield Hit(node.lineno, "the downgrade raises, though the upgrade does nothing", "pass")
        return
    changes = [op for op in script.up() if operation_work(op) is Work.SCHEMA]
    code = "; ".join(reverse_code(op) for op in reversed(changes[:3])) or "undo what the upgrade does"
    hint = f"{code}, or # migrate-flow: ignore[raising-downgrade] why it can't be undone"
    yield Hit(node.lineno, f"the downgrade of {script.revision or 'this script'} only raises", hint)


RULE = Rule("raising-downgrade", Group.REVERSIBILITY, check)
