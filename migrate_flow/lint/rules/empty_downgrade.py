"""The upgrade changes something, and the downgrade does nothing.

Problem: A rollback says that it succeeded, and the schema stays as the upgrade made it; the next upgrade fails on what
is there already. An empty downgrade of an upgrade that changes nothing (a merge) is right. One of an upgrade that only
writes rows may be: say so in a comment or docstring there.

Instead of:

    def upgrade() -> None:
        op.add_column("orders", sa.Column("note", sa.Text()))


    def downgrade() -> None:
        pass

Use:

    def downgrade() -> None:
        op.drop_column("orders", "note")
"""

from __future__ import annotations

from collections.abc import Iterator

from migrate_flow.core.finding import Severity
from migrate_flow.lint.comments import function_explained
from migrate_flow.lint.inverse import reverse_code, title
from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.script import Direction, Script
from migrate_flow.lint.work import Function, Work, does_nothing, operation_work, sql_work, work_of

_EXPLAIN = "# why there is nothing to undo"


def check(script: Script) -> Iterator[Hit]:
    upgrade, downgrade = script.function(Direction.UPGRADE), script.function(Direction.DOWNGRADE)
    if script.header is None or upgrade is None or downgrade is None or not does_nothing(downgrade):
        return
    if any(True for _ in script.down()) or does_nothing(upgrade):
        return  # what stands in the module itself runs in both directions
    match work_of(script, Direction.UPGRADE):
        case Work.SCHEMA:
            yield _schema(script, downgrade)
        case Work.DATA if not function_explained(script, downgrade):
            message = "the upgrade writes rows, and the downgrade does nothing about them, nor says why"
            yield Hit(downgrade.lineno, message, f"undo it, or explain: {_EXPLAIN}")
        case Work.UNKNOWN if not function_explained(script, downgrade):
            message = "the downgrade does nothing, and what the upgrade does can't be read from its source"
            yield Hit(downgrade.lineno, message, f"undo it, or explain: {_EXPLAIN}", needs_rehearsal=True)


def _schema(script: Script, downgrade: Function) -> Hit:
    changes = [op for op in script.up() if operation_work(op) is Work.SCHEMA]
    if not changes:
        text = next((sql.text for sql in script.raw(Direction.UPGRADE) if sql_work(sql) is Work.SCHEMA), None) or ""
        shown = " ".join(text.split())[:60]
        hint = "op.execute(…), or # migrate-flow: ignore[empty-downgrade] why it can't be undone"
        return Hit(downgrade.lineno, f"the downgrade does nothing about: {shown}", hint)
    shown = ", ".join(dict.fromkeys(title(op) for op in changes[:3]))
    more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
    # an open question only where everything is under an `if`
    perhaps = all(op.conditional for op in changes) and not any(op.table or op.object_name for op in changes)
    hint = "; ".join(reverse_code(op) for op in reversed(changes[:3]))
    return Hit(downgrade.lineno, f"the downgrade does nothing about {shown}{more}", hint, needs_rehearsal=perhaps)


RULE = Rule("empty-downgrade", Group.REVERSIBILITY, check, unsure=Severity.WARNING)
