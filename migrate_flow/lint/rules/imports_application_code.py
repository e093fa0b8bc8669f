"""The script imports the application's code.

Problem: A migration speaks of the schema as it was on one day; the application's models go on. In a year the import
fails, or the old script does something new. The modules are part of what is approved, so each change of one of them
makes the approval stale. Modules of the migrations' own folder are not meant.

Instead of:

    from shop.models import Order

Use:

    orders = sa.table("orders", sa.column("id", sa.Integer), sa.column("status", sa.Text))
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from posixpath import dirname
from typing import TYPE_CHECKING

from migrate_flow.core.finding import Severity
from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.tree import walk

if TYPE_CHECKING:
    from migrate_flow.lint.script import Script

_FOLDERS = frozenset({"versions", "migrations", "alembic"})


def check(script: Script) -> Iterator[Hit]:
    home = _home(script.path)
    outside = {name for name, path in script.modules.items() if not f"{path}/".startswith(f"{home}/")}
    for node in walk(script.tree) if script.tree and outside else ():
        found = [name for name in _imported(node) if name in outside]
        if found:
            line = getattr(node, "lineno", 0)
            hint = "copy the few definitions that are needed into the script, as sa.table() and sa.column()"
            yield Hit(line, f"the script imports {max(found, key=len)}, which changes with the application", hint)


def _home(path: str) -> str:
    """The folder of the migrations: the outermost one that is called so, else the script's own."""
    parts = dirname(path).split("/")
    for number, part in enumerate(parts):
        if part in _FOLDERS:
            return "/".join(parts[: number + 1])
    return dirname(path)


def _imported(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import():
            yield from (alias.name for alias in node.names)
        case ast.ImportFrom(module=str(module), level=0):
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


RULE = Rule("imports-application-code", Group.STYLE, check, Severity.WARNING)
