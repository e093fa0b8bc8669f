'''The documentation still says what a template or a tool wrote.

Problem: "empty message", "TODO", "..." or the template's own question looks like documentation and is none.

Instead of:

    """empty message

    Rationale:
        TODO
    """

Use:

    """add orders.note

    Rationale:
        Support needs a place for remarks about an order.
    """
'''

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate_flow.lint.rule import Group, Hit, Rule

if TYPE_CHECKING:
    from migrate_flow.lint.script import Script

_WHOLE = re.compile(
    r"""
    empty\ message | (new\ )?(migration|revision|message)s? | initial\ message | wip | x{3,} | tb[ad] | n/?a | none
    | \?+ | [-.…_*]+ | <[^<>]*> | \$\{[^}]*\} | lorem\ ipsum\b.* | test(ing)? | foo(\ ?bar)? | asdf\w*
    | (please\ )?(describe|explain|say|tell)\ (here\ )?(why|what)\b.* | why\ is\ this\ (change\ )?needed\??
    | your\ (message|text|rationale)\ here
    """,
    re.I | re.X,
)
_OPENING = re.compile(r"(to-?do|fixme|xxx|tb[ad])\b", re.I)


def check(script: Script) -> Iterator[Hit]:
    if script.header is None:
        return
    message = script.header.message
    if is_placeholder(message):
        hint = f'"""what revision {script.revision} changes, in one line"""'
        yield Hit(_line(script, message), f"the message {message!r} is a placeholder", hint)
    for title, text in script.sections.items():
        if _OPENING.match(title):  # "TODO: …" reads as a section too
            shown = f"{title.upper()}: {text}".strip()
            yield Hit(_line(script, f"{title.upper()}:"), f"the documentation is to be written: {shown}", "write it")
        # Alembic's own lines are no sections of the author's
        elif title not in ("revision id", "revises", "create date") and is_placeholder(text):
            first = text.strip().splitlines()[0]
            hint = f"a text below {title.capitalize()}: or no such section"
            yield Hit(_line(script, first), f'the section "{title.capitalize()}:" is a placeholder: {first!r}', hint)


def is_placeholder(text: str) -> bool:
    plain = " ".join(text.split())
    return bool(plain) and bool(_WHOLE.fullmatch(plain.rstrip(".! ") or plain) or _OPENING.match(plain))


def _line(script: Script, text: str) -> int:
    return next((number for number, line in enumerate(script.lines, 1) if text in line), script.doc_line)


RULE = Rule("placeholder-text", Group.DOCUMENTATION, check)
