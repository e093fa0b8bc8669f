'''The script's docstring starts with no message.

Problem: The first line of the docstring is what `alembic history`, the board and the export call the migration.
Without it, a reviewer sees an id and nothing else.

Instead of:

    """

    Revision ID: 3f2a91c04d7e
    """

Use:

    """add the customers' e-mail address

    Revision ID: 3f2a91c04d7e
    """
'''

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate_flow.lint.rule import Group, Hit, Rule

if TYPE_CHECKING:
    from migrate_flow.lint.script import Script

# What Alembic's template writes below the message, and leaves at the top where there was none.
_TEMPLATE = re.compile(r"(Revision ID|Revises|Create Date):", re.I)


def check(script: Script) -> Iterator[Hit]:
    if script.header is None:
        return
    message = script.header.message
    if not message or _TEMPLATE.match(message):
        hint = '"""what the migration changes, in one line"""'
        yield Hit(script.doc_line, f"revision {script.revision} has no message", hint)


RULE = Rule("missing-message", Group.DOCUMENTATION, check)
