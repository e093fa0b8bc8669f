"""The script is one of several heads of the graph.

Problem: Two people wrote a revision on the same parent. `alembic upgrade head` fails until it is said which one comes
first, and whoever applies both in the one order has another history than who applies them in the other. Branches
with labels of their own may have a head each.

Instead of:

    # 3f2a91c04d7e and 8d1be02f6a90, both:
    down_revision = "0b1c2d3e4f50"

Use: the younger one on the older, as long as it is applied nowhere, or a merge:

    migrate-flow new --merge 3f2a91c04d7e 8d1be02f6a90 -m "merge"
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate_flow.core.finding import Severity
from migrate_flow.lint.rule import Group, Hit, Rule

if TYPE_CHECKING:
    from migrate_flow.lint.script import Script

_SHOWN = 5


def check(script: Script) -> Iterator[Hit]:
    heads = script.heads
    if len(heads) < 2 or script.revision not in heads:
        return
    others = [head for head in heads if head != script.revision]
    shown = ", ".join(others[:_SHOWN]) + (f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else "")
    hint = f'migrate-flow new --merge {script.revision} {" ".join(others[:_SHOWN])} -m "merge"'
    yield Hit(0, f"revision {script.revision} is one of {len(heads)} heads; the others: {shown}", hint)


RULE = Rule("multiple-heads", Group.GRAPH, check, Severity.WARNING, waivable=False)
