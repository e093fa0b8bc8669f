'''A table of the contract is touched, and the docstring does not map the change to the contract.

Problem: `[lint] contract_tables` names the tables that other systems read. Whoever changes one of them must say what
becomes of each field that was promised, in a section "Contract mapping:".

Instead of:

    """rename api_orders.total to amount"""

Use:

    """rename api_orders.total to amount

    Contract mapping:
        Order.total (v2) is read from api_orders.amount; the view api_orders_v2 keeps the old name.
    """
'''

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.touches import touches

if TYPE_CHECKING:
    from migrate_flow.lint.script import Script

TITLE = "contract mapping"


def check(script: Script) -> Iterator[Hit]:
    globs = script.settings.contract_tables
    if not globs or script.header is None or script.sections.get(TITLE, "").strip():
        return
    found = [t for t in touches(script) if any(fnmatchcase(name, glob) for name in t.names for glob in globs)]
    tables = dict.fromkeys(touch.names[-1] for touch in found)
    if tables:
        what = "is a table" if len(tables) == 1 else "are tables"
        message = f'{", ".join(tables)} {what} of the contract, and there is no section "Contract mapping:"'
        promised = f"what becomes of the fields that are promised from {', '.join(tables)}"
        hint = f"in the docstring, Contract mapping: {promised}"
        yield Hit(found[0].line, message, hint)


RULE = Rule("missing-contract-mapping", Group.DOCUMENTATION, check)
