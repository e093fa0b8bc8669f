"""Rules that look at bytes which a case file can't hold, and severities of what only a rehearsal can tell."""

from __future__ import annotations

from migrate_flow.core.finding import Severity
from migrate_flow.core.revision import Revision
from migrate_flow.lint.linter import Linter
from migrate_flow.lint.reading import read_script
from migrate_flow.lint.rules import bidi_or_control_characters, downgrade_not_inverse, not_utf8
from migrate_flow.lint.script import Script

HEADER = Revision("3f2a91c04d7e", path="versions/a.py")


def script(content: bytes) -> Script:
    return read_script("versions/a.py", content, HEADER)


def test_a_declared_latin_1_is_not_utf8() -> None:
    content = b"# -*- coding: latin-1 -*-\n\nx = '\xe4'\n"

    (hit,) = not_utf8.check(script(content))

    assert (hit.line, hit.message) == (3, "byte 0xe4 is not UTF-8")


def test_a_byte_order_mark_is_utf8_and_no_hidden_character() -> None:
    content = b"\xef\xbb\xbf'''add'''\r\nx = 1\r\n"

    assert list(not_utf8.check(script(content))) == []
    assert list(bidi_or_control_characters.check(script(content))) == []


def test_a_nul_byte_is_a_control_character() -> None:
    (hit,) = bidi_or_control_characters.check(script(b"x = 1\ny = '\x00'\n"))

    assert hit.line == 2


def test_what_needs_a_rehearsal_refuses_nobody_and_an_accusation_does() -> None:
    template = b"""
from alembic import op
import sqlalchemy as sa
def upgrade():
%s
def downgrade():
    op.drop_column("orders", "note")
"""
    column = b'op.add_column("orders", sa.Column("note", sa.Text()))'
    index = b'op.create_index("ix_orders_number", "orders", ["number"])'
    sure = template % (b"    " + column + b"\n    " + index)
    unsure = template % (b"    " + column + b"\n    if op.get_bind():\n        " + index)
    linter = Linter((downgrade_not_inverse.RULE,))

    (accused,) = linter.findings(script(sure))
    (asked,) = linter.findings(script(unsure))

    assert (accused.severity, accused.needs_rehearsal, accused.refuses) == (Severity.ERROR, False, True)
    assert (asked.severity, asked.needs_rehearsal, asked.refuses) == (Severity.WARNING, True, False)
