'''The docstring does not say why the change is made.

Problem: What a migration does stands in its code; why it is needed stands nowhere else, and is what a reviewer
judges it by. A section "Rationale:" or "Why:" must hold a text. A merge that changes nothing needs none.

Instead of:

    """add orders.note"""

Use:

    """add orders.note

    Rationale:
        Support writes remarks about an order into the customer's record, where nobody finds them.
    """
'''

from __future__ import annotations

from collections.abc import Iterator

from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.script import Direction, Script
from migrate_flow.lint.work import Work, work_of

TITLES = ("rationale", "why")


def check(script: Script) -> Iterator[Hit]:
    if script.header is None or any(script.sections.get(title, "").strip() for title in TITLES):
        return
    if len(script.header.down_revision) > 1 and work_of(script, Direction.UPGRADE) is Work.NOTHING:
        return
    empty = any(title in script.sections for title in TITLES)
    what = 'the section "Rationale:" is empty' if empty else 'the docstring has no section "Rationale:"'
    message = f"{what}: why is revision {script.revision} needed?"
    yield Hit(script.doc_line, message, "in the docstring, Rationale: why the change is needed")


RULE = Rule("missing-rationale", Group.DOCUMENTATION, check)
