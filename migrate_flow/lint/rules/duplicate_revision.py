"""Two scripts declare the same revision.

Problem: Alembic takes whichever it reads last and warns; which of the two runs depends on the order of the files. It
happens when a script is copied to write the next one.

Instead of:

    # 3f2a91c04d7e_add_note.py and add_remark.py
    revision = "3f2a91c04d7e"

Use:

    # add_remark.py
    revision = "8d1be02f6a90"
    down_revision = "3f2a91c04d7e"
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.told import told

if TYPE_CHECKING:
    from migrate_flow.lint.script import Script


def check(script: Script) -> Iterator[Hit]:
    return told(script, "duplicate-revision")


RULE = Rule("duplicate-revision", Group.GRAPH, check, waivable=False)
