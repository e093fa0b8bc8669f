"""The script stands on a revision that no script declares.

Problem: The graph can not be walked, so nothing can be upgraded. The parent was renamed or deleted, or is on a branch
that has not been merged.

Instead of:

    down_revision = "0b1c2d3e4f50"  # deleted last week

Use: the id of the revision that is there, or the lost script back again:

    git log --all --oneline -S 0b1c2d3e4f50
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.told import told

if TYPE_CHECKING:
    from migrate_flow.lint.script import Script


def check(script: Script) -> Iterator[Hit]:
    return told(script, "missing-parent")


RULE = Rule("missing-parent", Group.GRAPH, check, waivable=False)
