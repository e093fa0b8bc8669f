"""From a script's bytes to what the rules see. Nothing of it is run."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import TYPE_CHECKING

from migrate_flow.core.behaviour import syntax_tree
from migrate_flow.lint.names import read_module
from migrate_flow.lint.script import Direction, Operation, Script, Settings, Sql
from migrate_flow.lint.sections import sections
from migrate_flow.lint.walk import Walk

if TYPE_CHECKING:
    from migrate_flow.core.revision import Revision, ScriptProblem

_NO_SETTINGS = Settings()
_NO_MODULES: Mapping[str, str] = {}


def read_script(
    path: str,
    content: bytes,
    header: Revision | None = None,
    settings: Settings = _NO_SETTINGS,
    problems: tuple[ScriptProblem, ...] = (),
    heads: tuple[str, ...] = (),
    symlink: bool = False,
    modules: Mapping[str, str] = _NO_MODULES,
) -> Script:
    """Never raises: a source that does not parse is a script without a tree."""
    try:
        tree: ast.Module | None = syntax_tree(content)
    except SyntaxError:
        tree = None
    operations, sql = _contents(tree, settings) if tree else ((), ())
    doc = _docstring(tree) or (header.doc if header else "")
    return Script(
        path=path, content=content, header=header, tree=tree, settings=settings, problems=problems, heads=heads,
        operations=operations, sql=sql, sections=sections(doc), symlink=symlink, modules=modules,
    )  # fmt: skip


def _contents(tree: ast.Module, settings: Settings) -> tuple[tuple[Operation, ...], tuple[Sql, ...]]:
    operations: list[Operation] = []
    sql: list[Sql] = []
    module = read_module(tree)
    for direction in Direction:
        try:
            walk = Walk(module, direction, settings.dialects)
            walk.run(tree)
            operations += walk.operations
            sql += walk.sql
        except RecursionError:  # generated, and nested too deeply to be read
            sql.append(Sql(None, direction, 0, "nesting"))
    return tuple(operations), tuple(sql)


def _docstring(tree: ast.Module | None) -> str:
    match tree.body if tree else []:
        case [ast.Expr(value=ast.Constant(value=str(doc))), *_]:
            return doc
    return ""
