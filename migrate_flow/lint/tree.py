"""Walking a syntax tree, several times faster than `ast.walk`: rules ask for the same nodes again and again."""

from __future__ import annotations

import ast
from functools import lru_cache

_NO_NODES = frozenset({"ctx", "id", "attr", "kind", "type_comment", "type_ignores"})
_FIELDS: dict[type[ast.AST], tuple[str, ...]] = {ast.Constant: ()}


def children(node: ast.AST) -> list[ast.AST]:
    """As `ast.iter_child_nodes`, but for contexts (``ast.Load``)."""
    kind = type(node)
    fields = _FIELDS.get(kind)
    if fields is None:
        fields = _FIELDS[kind] = tuple(name for name in kind._fields if name not in _NO_NODES)
    found: list[ast.AST] = []
    for name in fields:
        value = getattr(node, name, None)
        if isinstance(value, ast.AST):
            found.append(value)
        elif isinstance(value, list):
            found += [item for item in value if isinstance(item, ast.AST)]
    return found


@lru_cache(maxsize=512)
def walk(node: ast.AST) -> tuple[ast.AST, ...]:
    """As `ast.walk`, in the same order, but for contexts. The nodes of the last trees are kept: never change one."""
    found = [node]
    for item in found:
        found += children(item)
    return tuple(found)
