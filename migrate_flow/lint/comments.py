"""A script's comments, and whether a place in it is explained by one."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from migrate_flow.lint.tree import walk

if TYPE_CHECKING:
    from migrate_flow.lint.script import Script

# What tools write, or are told, explains nothing.
_MECHANICAL = re.compile(
    r"#+\s*(?:#|commands auto generated|end Alembic|noqa|type:|fmt:|pylint|ruff|migrate-flow:)", re.I
)


def comments(script: Script) -> Mapping[int, str]:
    """By line; comments for tools are left out."""
    return _comments(script.text)


@lru_cache(maxsize=64)
def _comments(text: str) -> Mapping[int, str]:
    found = {}
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT and not _MECHANICAL.match(token.string):
                found[token.start[0]] = token.string
    except (tokenize.TokenError, SyntaxError):
        pass  # what was read until there
    return {line: comment for line, comment in found.items() if len(comment.strip("# \t")) > 3}


def statement_at(script: Script, line: int) -> ast.stmt | None:
    """The innermost statement whose lines hold this one."""
    found: ast.stmt | None = None
    for node in walk(script.tree) if script.tree else ():
        inside = isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno)
        if inside and isinstance(node, ast.stmt) and (found is None or node.lineno >= found.lineno):
            found = node
    return found


def explained(script: Script, line: int) -> bool:
    """Whether a comment stands in the statement at this line, or above it without a blank line between."""
    known = comments(script)
    node = statement_at(script, line)
    first, last = (node.lineno, node.end_lineno or node.lineno) if node else (line, line)
    if any(number in known for number in range(first, last + 1)):
        return True
    above = first - 1
    while 0 < above <= len(script.lines) and script.lines[above - 1].strip():
        if above in known:
            return True
        above -= 1
    return False


def function_explained(script: Script, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function has a docstring or a comment."""
    known = comments(script)
    last = function.end_lineno or function.lineno
    while last < len(script.lines) and re.match(r"\s+#", script.lines[last]):
        last += 1  # a comment below the last statement is still the function's
    return bool(ast.get_docstring(function)) or any(n in known for n in range(function.lineno, last + 1))
