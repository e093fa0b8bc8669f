"""The script is, or its folder is, a link to outside the project.

Problem: What lies outside can change without a commit, and nobody reviews it with the project.

Instead of:

    migrations/versions/3f2a91c04d7e_add_note.py -> ../../../shared/add_note.py

Use: the file itself in that place, or a `migrate-flow.toml` in the folder above, that holds both.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.told import told

if TYPE_CHECKING:
    from migrate_flow.lint.script import Script


def check(script: Script) -> Iterator[Hit]:
    return told(script, "symlink-outside")


RULE = Rule("symlink-outside", Group.GRAPH, check, waivable=False)
