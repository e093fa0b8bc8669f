"""There is no `downgrade()`.

Problem: Alembic finds out when somebody rolls back: with an AttributeError, in the worst minute for it. That holds for
a revision that changes nothing too: no rollback gets past it.

Instead of:

    def upgrade() -> None:
        op.add_column("orders", sa.Column("note", sa.Text()))

Use:

    def upgrade() -> None:
        op.add_column("orders", sa.Column("note", sa.Text()))


    def downgrade() -> None:
        op.drop_column("orders", "note")
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from migrate_flow.lint.inverse import reverse_code
from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.script import Direction, Script
from migrate_flow.lint.tree import walk
from migrate_flow.lint.work import Work, operation_work


def check(script: Script) -> Iterator[Hit]:
    if script.header is None or script.tree is None or _defines(script.tree, Direction.DOWNGRADE):
        return
    function = script.function(Direction.UPGRADE)
    changes = [op for op in script.up() if operation_work(op) is not Work.NOTHING]
    body = "; ".join(reverse_code(op) for op in reversed(changes[:3])) if len(changes) < 4 else "…"
    hint = f"def downgrade() -> None: {body or 'pass'}"
    yield Hit(function.lineno if function else 0, f"revision {script.revision} has no downgrade()", hint)


def _defines(tree: ast.Module, name: str) -> bool:
    for node in walk(tree):
        match node:
            case ast.FunctionDef(name=found) | ast.Name(id=found, ctx=ast.Store()) if found == name:
                return True
            case ast.alias(name=found, asname=alias) if (alias or found) in (name, "*"):
                return True
    return False


RULE = Rule("missing-downgrade", Group.REVERSIBILITY, check)
