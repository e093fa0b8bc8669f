"""The revision's id can't be used, or is not of the project's form.

Problem: An id is stored in 32 characters and spliced into SQL as it is; quotes, spaces, control characters and what
Alembic reads as an operator (`@`, `:`, `+`, `-`) break it. Ids with dots and underscores are fine. A project may ask
for more with a pattern.

Instead of:

    revision = "add the note"

Use:

    revision = "3f2a91c04d7e"
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.told import told

if TYPE_CHECKING:
    from migrate_flow.lint.script import Script


def check(script: Script) -> Iterator[Hit]:
    yield from told(script, "revision-id-format")
    pattern = script.settings.revision_pattern
    if pattern and script.header and not re.fullmatch(pattern, script.revision):
        hint = f"an id that matches {pattern}; nothing else may name the old one by then"
        yield Hit(_line(script), f"the revision id {script.revision} does not match the project's {pattern}", hint)


def _line(script: Script) -> int:
    return next((number for number, line in enumerate(script.lines, 1) if line.startswith("revision")), 0)


RULE = Rule("revision-id-format", Group.GRAPH, check, waivable=False)
