"""The names of a script: what its imports call Alembic's operations, its functions, and what is bound once."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from migrate_flow.lint.tree import children, walk
from migrate_flow.lint.values import OP, Names, Value, value_of

Function = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
# Asking for these first is cheaper than matching every node.
_SAY_NAMES = frozenset({ast.Import, ast.ImportFrom, ast.Global, ast.ClassDef})
_BIND_NAMES = frozenset({ast.Name, ast.Assign, ast.AnnAssign, ast.ExceptHandler, ast.MatchAs, ast.MatchStar})
_SCOPES = (*FUNCTIONS, ast.ClassDef, ast.Lambda)


@dataclass(frozen=True, slots=True)
class Module:
    """names: bound once in the module. aliases: functions imported from ``alembic.op``, by the name they have here.
    functions, classes, methods: by name, the last of each; methods of whatever class."""

    names: Names
    aliases: Mapping[str, str]
    functions: Mapping[str, Function]
    classes: Mapping[str, ast.ClassDef]
    methods: Mapping[str, Function]


def read_module(tree: ast.Module) -> Module:
    names: dict[str, Value | None] = {}
    aliases: dict[str, str] = {}
    classes: dict[str, ast.ClassDef] = {}
    methods: dict[str, Function] = {}
    declared_global: set[str] = set()
    for node in walk(tree):
        if type(node) not in _SAY_NAMES:
            continue
        match node:
            case ast.Import() | ast.ImportFrom():
                for name, meaning in _imported(node):
                    if isinstance(meaning, str):
                        aliases[name] = meaning
                    else:
                        names[name] = meaning
            case ast.Global(names=found):
                declared_global.update(found)
            case ast.ClassDef():
                classes[node.name] = node
                methods |= {item.name: item for item in node.body if isinstance(item, FUNCTIONS)}
    own = bound_once(tree, names)
    names |= {name: value for name, value in own.items() if name not in declared_global}
    functions = {node.name: node for node in _definitions(tree)}
    return Module(names, aliases, functions, classes, methods)


def bound_once(scope: ast.Module | Function, outer: Names) -> dict[str, Value | None]:
    """The names that a scope binds: their value where it is bound once and can be read, else None."""
    count: dict[str, int] = {}
    assigned: dict[str, ast.expr] = {}
    for node in _inside(scope):
        if type(node) not in _BIND_NAMES:
            continue
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                count[name] = count.get(name, 0) + 1
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                assigned[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                assigned[name] = value
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                count[name] = 2
    found: dict[str, Value | None] = dict.fromkeys(count)
    known: dict[str, Value | None] = {**outer, **found}
    for name, value in assigned.items():
        if count.get(name) == 1:
            found[name] = known[name] = value_of(value, known)
    return found


def nested_functions(function: Function) -> dict[str, Function]:
    return {node.name: node for node in _definitions(function)}


def parameters(function: Function, call: ast.Call | None, names: Names, outer: Names) -> dict[str, Value | None]:
    """What a call hands over. call: None where nobody knows; outer: the names where the function is defined."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    every = [*positional, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    found: dict[str, Value | None] = dict.fromkeys(item.arg for item in every if item)
    if call is None or any(isinstance(arg, ast.Starred) for arg in call.args):
        return found
    if all(keyword.arg for keyword in call.keywords):
        defaults = [*zip(reversed(positional), reversed(arguments.defaults), strict=False)]
        defaults += [(a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d]
        found |= {item.arg: value_of(default, outer) for item, default in defaults}
    found |= {item.arg: value_of(given, names) for item, given in zip(positional, call.args, strict=False)}
    found |= {k.arg: value_of(k.value, names) for k in call.keywords if k.arg in found}
    return found


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Value | str]]:
    """(name here, `op` itself or the name of an operation)"""
    for alias in node.names:
        if isinstance(node, ast.Import):
            if alias.name == "alembic.op" and alias.asname:
                yield alias.asname, OP
        elif node.module == "alembic" and alias.name == "op":
            yield alias.asname or "op", OP
        elif node.module == "alembic.op":
            yield alias.asname or alias.name, alias.name


def _definitions(scope: ast.Module | Function) -> Iterator[Function]:
    return (node for node in _inside(scope) if isinstance(node, FUNCTIONS))


@lru_cache(maxsize=256)
def _inside(scope: ast.Module | Function) -> tuple[ast.AST, ...]:
    """Every node of a scope's body in the source's order, without what is inside inner scopes."""
    found: list[ast.AST] = []
    todo: list[ast.AST] = list(reversed(scope.body))
    while todo:
        node = todo.pop()
        found.append(node)
        if isinstance(node, ast.comprehension):
            todo += [*reversed(node.ifs), node.iter]  # it keeps its targets to itself
        elif not isinstance(node, _SCOPES):
            todo += reversed(children(node))
    return tuple(found)
