"""Where a script ends the transaction that it runs in by a method call."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from migrate_flow.lint.tree import walk
from migrate_flow.lint.values import last_name

_ENDS = ("commit", "rollback")


@dataclass(frozen=True, slots=True)
class Ended:
    """verb: commit or rollback. shown: the call, as the script has it."""

    line: int
    verb: str
    shown: str


def ended_by_call(tree: ast.Module) -> Iterator[Ended]:
    """``connection.commit()``, ``op.get_bind().rollback()``; in the whole module, whatever calls it.

    Not the commit of an ORM session: on Alembic's connection, whose transaction it did not begin, it only flushes
    (SQLAlchemy, "joining a session into an external transaction"). Its rollback does take everything back.
    """
    found = [
        (node, node.func)
        for node in walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _ENDS
    ]
    if not found:
        return
    makers = dict(_bound(tree))
    leaving = {id(node) for node in _on_the_way_out(tree)}
    for node, func in found:
        verb, name = func.attr, last_name(func.value)
        made_by = f"{_called(func.value)} {name} {makers.get(name, '')}".lower()
        harmless = "begin_nested" in made_by or ("session" in made_by and verb == "commit")
        if not (node.args or node.keywords or harmless or (verb == "rollback" and id(node) in leaving)):
            yield Ended(node.lineno, verb, " ".join(ast.unparse(node).split()))


def _bound(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(name, what it was called with): ``session = Session(bind=…)``, ``with connection.begin_nested() as part``."""
    for node in walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as value):
                yield name, _called(value)
            case ast.withitem(context_expr=ast.Call() as value, optional_vars=ast.Name(id=name)):
                yield name, _called(value)


def _called(node: ast.expr) -> str:
    """``sessionmaker`` of ``sessionmaker(bind=…)()``"""
    while isinstance(node, ast.Call):
        node = node.func
    return last_name(node)


def _on_the_way_out(tree: ast.Module) -> Iterator[ast.AST]:
    """What stands in a handler that raises: Alembic takes everything back there anyway."""
    for node in walk(tree):
        if isinstance(node, ast.ExceptHandler) and any(isinstance(inner, ast.Raise) for inner in walk(node)):
            yield from walk(node)
