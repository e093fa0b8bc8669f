"""Walking a syntax tree, several times faster than `ast.walk`: rules ask for the same nodes again and again."""

from __future__ import annotations

import ast
from weakref import WeakKeyDictionary

# Fields that never hold a node, but for the name of a `type` statement.
_NO_NODES = frozenset(
    {
        "ctx", "id", "attr", "arg", "name", "asname", "module", "level", "kind", "simple", "is_async", "conversion",
        "type_comment", "type_ignores",
    }
)  # fmt: skip
_FIELDS: dict[type[ast.AST], tuple[str, ...]] = {ast.Constant: ()}
_BELOW: WeakKeyDictionary[ast.AST, tuple[ast.AST, ...]] = WeakKeyDictionary()


def children(node: ast.AST) -> list[ast.AST]:
    """As `ast.iter_child_nodes`, but for contexts (``ast.Load``)."""
    kind = type(node)
    fields = _FIELDS.get(kind)
    if fields is None:
        skipped = _NO_NODES - {"name"} if kind.__name__ == "TypeAlias" else _NO_NODES
        fields = _FIELDS[kind] = tuple(name for name in kind._fields if name not in skipped)
    found: list[ast.AST] = []
    for name in fields:
        value = getattr(node, name, None)
        if not value:
            continue
        if type(value) is not list:
            value = (value,)
        for item in value:
            if isinstance(item, ast.AST):
                found.append(item)
    return found


def walk(node: ast.AST) -> tuple[ast.AST, ...]:
    """As `ast.walk`, in the same order, but for contexts. The nodes are kept as long as the tree: never change one."""
    below = _BELOW.get(node)
    if below is None:
        found = children(node)
        for item in found:
            found += children(item)
        below = _BELOW[node] = tuple(found)
    return (node, *below)
