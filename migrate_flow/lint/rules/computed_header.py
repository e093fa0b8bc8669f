"""The header is not written as literals.

Problem: `revision`, `down_revision`, `branch_labels` and `depends_on` say where a script belongs. They are read
without running it, since a script that has to be run to know what it is could say one thing to a reviewer and another
in production. `graph = "import"` under `[project]` allows expressions for labels and dependencies alone.

Instead of:

    revision = __name__.rpartition(".")[2][:12]

Use:

    revision = "3f2a91c04d7e"
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.told import told

if TYPE_CHECKING:
    from migrate_flow.lint.script import Script


def check(script: Script) -> Iterator[Hit]:
    return told(script, "computed-header")


RULE = Rule("computed-header", Group.GRAPH, check, waivable=False)
