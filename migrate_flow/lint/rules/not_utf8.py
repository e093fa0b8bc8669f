"""The script is not UTF-8 text.

Problem: What a reviewer is shown, what the ledger stores and what Python runs are then three readings of the same
bytes. A declared other encoding is one that Python understands and a browser does not.

Instead of:

    # -*- coding: latin-1 -*-

Use: the same text saved as UTF-8, without a declaration:

    iconv -f latin1 -t utf-8 script.py
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.told import told

if TYPE_CHECKING:
    from migrate_flow.lint.script import Script


def check(script: Script) -> Iterator[Hit]:
    known = list(told(script, "not-utf8"))
    yield from known
    try:
        script.content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = script.content.count(b"\n", 0, error.start) + 1
        if not known:
            yield Hit(line, f"byte {script.content[error.start]:#04x} is not UTF-8", f"save {script.path} as UTF-8")


RULE = Rule("not-utf8", Group.GRAPH, check, waivable=False)
