"""The revision stands, over others, on itself.

Problem: There is no order in which the revisions could run, and Alembic refuses to load any of them.

Instead of:

    # 3f2a91c04d7e
    down_revision = "8d1be02f6a90"

    # 8d1be02f6a90
    down_revision = "3f2a91c04d7e"

Use:

    # 3f2a91c04d7e, the older one
    down_revision = "0b1c2d3e4f50"
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.told import told

if TYPE_CHECKING:
    from migrate_flow.lint.script import Script


def check(script: Script) -> Iterator[Hit]:
    return told(script, "cycle")


RULE = Rule("cycle", Group.GRAPH, check, waivable=False)
