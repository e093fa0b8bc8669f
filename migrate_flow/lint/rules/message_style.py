'''The message is not one short line.

Problem: The message is a heading: on the board, in `alembic history`, in the export. More than 72 characters are cut
off there; a period at its end, or a start with a sign, makes the list uneven. It may start with a ticket's number.

Instead of:

    """Added the note column to the orders table because support needs a place to write remarks.

Use:

    """add orders.note
'''

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate_flow.core.finding import Severity
from migrate_flow.lint.rule import Group, Hit, Rule

if TYPE_CHECKING:
    from migrate_flow.lint.script import Script

LONGEST = 72
_TICKET = re.compile(r"[\[(#]?[A-Za-z]*[-#]?\d+[\])]?[:.]?(\s|$)|\[[^\]]+\]")
_TEMPLATE = re.compile(r"(Revision ID|Revises|Create Date):", re.I)


def check(script: Script) -> Iterator[Hit]:
    message = script.header.message if script.header else ""
    if not message or _TEMPLATE.match(message):
        return  # missing-message
    line = next((number for number, text in enumerate(script.lines, 1) if message in text), script.doc_line)
    if len(message) > LONGEST:
        hint = f'"""{message[: LONGEST - 12].rsplit(" ", 1)[0]} …, and the rest in a paragraph below'
        yield Hit(line, f"the message has {len(message)} characters; {LONGEST} are shown", hint)
    if message.endswith(".") and not message.endswith(("...", "etc.")):
        yield Hit(line, "the message ends with a period", f'"""{message.rstrip(".")}')
    if not (message[0].isalpha() or message[0] == "_" or _is_ticket(script, message)):
        hint = f'"""{message.lstrip("".join(c for c in message if not c.isalnum())) or "what it changes"}'
        yield Hit(line, f"the message starts with {message[0]!r}, not with a word", hint)


def _is_ticket(script: Script, message: str) -> bool:
    pattern = script.settings.ticket_pattern
    return bool(_TICKET.match(message)) or bool(pattern and re.match(rf"\W?(?:{pattern})", message))


RULE = Rule("message-style", Group.STYLE, check, Severity.INFO)
