"""The script touches what Alembic and migrate-flow keep their own books in.

Problem: `alembic_version` says which revisions a database has, and `migrate_flow…` holds the receipts of what was
applied. Whoever writes to them from a script makes the books say what did not happen; the next apply stops.

Instead of:

    op.execute("UPDATE alembic_version SET version_num = '3f2a91c04d7e'")

Use: the commands that change the books and record it:

    migrate-flow adopt --env ENV --to 3f2a91c04d7e -m "why"
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.touches import touches
from migrate_flow.lint.work import Work, sql_work

if TYPE_CHECKING:
    from migrate_flow.lint.script import Script

_RESERVED = re.compile(r"alembic_version|migrate_flow(_\w*)?", re.I)
_WORD = re.compile(r"\b(alembic_version|migrate_flow\w*)\b", re.I)


def check(script: Script) -> Iterator[Hit]:
    found: dict[tuple[int, str], None] = {}
    for touch in touches(script):
        if _RESERVED.fullmatch(touch.table) or _RESERVED.fullmatch(touch.schema or "-"):
            found[touch.line, touch.names[-1]] = None
    for op in script.operations:
        if _RESERVED.fullmatch(op.object_name or "-"):
            found[op.line, op.object_name] = None
    for sql in script.sql:
        # what the parser does not know, or a schema of that name
        unclear = sql.statements is None or sql_work(sql) is Work.SCHEMA
        if unclear and sql.text and (word := _WORD.search(sql.text)) and not _at(found, sql.line):
            found[sql.line, word[0]] = None
    for line, name in found:
        hint = "leave it to migrate-flow adopt, apply and rollback"
        yield Hit(line, f"{name} is kept by {'Alembic' if name.lower().endswith('version') else 'migrate-flow'}", hint)


def _at(found: dict[tuple[int, str], None], line: int) -> bool:
    return any(number == line for number, _ in found)


RULE = Rule("reserved-object", Group.STYLE, check)
