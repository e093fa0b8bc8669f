"""What one direction of a script does to a database, as far as its source tells."""

from __future__ import annotations

import ast
import sys
from enum import IntEnum
from typing import TYPE_CHECKING, Any, TypeGuard

from migrate_flow.lint.tree import children, walk
from migrate_flow.lint.values import last_name

if TYPE_CHECKING:
    from migrate_flow.lint.script import Direction, Operation, Script, Sql

Function = ast.FunctionDef | ast.AsyncFunctionDef
_ROWS = frozenset({"bulk_insert"})
_NO_CHANGE = frozenset({"batch_alter_table", "get_bind", "get_context", "f", "autocommit_block", "run_async"})
# sqlglot's kinds of statements that leave schema and rows as they are
_QUIET_SQL = frozenset(
    {"select", "union", "intersect", "except", "set", "show", "describe", "pragma", "use", "subquery", "values"}
)
_DATA_SQL = frozenset({"insert", "update", "delete", "merge", "copy"})
_LIBRARIES = frozenset({"alembic", "sqlalchemy", "sqlalchemy_utils", "geoalchemy2", "pgvector"})
_SAYS = frozenset({"print", "debug", "info", "warning", "warn", "error", "echo"})


class Work(IntEnum):
    """The most that a direction does. UNKNOWN: only running it would show."""

    NOTHING = 0
    UNKNOWN = 1
    DATA = 2
    SCHEMA = 3


def work_of(script: Script, direction: Direction) -> Work:
    found = [operation_work(op) for op in script.ops(direction)] + [sql_work(sql) for sql in script.raw(direction)]
    most = max(found, default=Work.NOTHING)
    function = script.function(direction)
    if most is Work.NOTHING and function and calls_elsewhere(script, function):
        return Work.UNKNOWN
    return most


def operation_work(op: Operation) -> Work:
    if op.name in _NO_CHANGE:
        return Work.NOTHING
    return Work.DATA if op.name in _ROWS else Work.SCHEMA


def sql_work(sql: Sql) -> Work:
    if sql.data:
        return Work.DATA
    if sql.text is None or sql.statements is None:
        return Work.NOTHING if sql.built else Work.UNKNOWN
    return max((statement_work(item) for item in sql.statements), default=Work.NOTHING)


def statement_work(statement: Any) -> Work:
    """statement: a sqlglot expression."""
    kind = str(statement.key)
    if kind in _DATA_SQL:
        return Work.DATA
    return Work.NOTHING if kind in _QUIET_SQL else Work.SCHEMA


def does_nothing(function: Function) -> bool:
    """A body of `pass`, texts, `return`, imports and messages."""
    return all(_is_nothing(node) or is_guard(node) for node in function.body)


def _is_nothing(node: ast.stmt) -> bool:
    match node:
        case ast.Pass() | ast.Import() | ast.ImportFrom() | ast.Return(value=None) | ast.Expr(value=ast.Constant()):
            return True
        case ast.Return(value=ast.Constant(value=None)):
            return True
        case ast.Expr(value=ast.Call(func=func)):
            return last_name(func) in _SAYS
    return False


def raises(function: Function) -> ast.Raise | None:
    """The `raise` that a body does before anything else, come what may."""
    for node in function.body:
        if isinstance(node, ast.Raise):
            return node
        if not _is_nothing(node):
            return None
    return None


def calls_elsewhere(script: Script, function: Function) -> bool:
    """Whether it calls what other modules define, SQLAlchemy, Alembic and the like apart."""
    roots = _foreign(script)
    todo: list[ast.AST] = list(function.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Call) and _root(node.func) in roots and last_name(node.func) not in _SAYS:
            return True
        todo += node.body if is_guard(node) else children(node)
    return False


def is_guard(node: ast.AST) -> TypeGuard[ast.If]:
    """``if not needed(): return``, which only asks."""
    return isinstance(node, ast.If) and not node.orelse and all(_is_nothing(item) for item in node.body)


def is_certain(script: Script, op: Operation) -> bool:
    """Whether an operation runs whenever its direction does, an early `return` apart."""
    if not op.conditional:
        return True
    function = script.function(op.direction)
    for node in function.body if function else ():
        if node.lineno <= op.line <= (node.end_lineno or node.lineno):
            if isinstance(node, ast.For):  # over a written list, each turn is read
                return bool(op.table or op.object_name) and _is_plain(node)
            return isinstance(node, ast.Expr | ast.Assign | ast.With)
    return False


def _is_plain(node: ast.For) -> bool:
    """A loop over a written list, without conditions in it."""
    branches = (ast.If, ast.IfExp, ast.Try, ast.While)
    return isinstance(node.iter, ast.List | ast.Tuple) and not any(isinstance(n, branches) for n in walk(node))


def _foreign(script: Script) -> frozenset[str]:
    """Names that the script imports from modules that may do anything."""
    found = set()
    for node in walk(script.tree) if script.tree else ():
        match node:
            case ast.Import():
                found |= {(a.asname or a.name).split(".")[0] for a in node.names if not _known(a.name)}
            case ast.ImportFrom() if node.level or not _known(node.module or ""):
                found |= {a.asname or a.name for a in node.names}
    return frozenset(found)


def _known(module: str) -> bool:
    root = module.partition(".")[0]
    return root in _LIBRARIES or root in sys.stdlib_module_names


def _root(node: ast.expr) -> str:
    """``a`` of ``a.b().c``"""
    while True:
        match node:
            case ast.Attribute(value=inner) | ast.Call(func=inner) | ast.Subscript(value=inner):
                node = inner
            case ast.Name(id=name):
                return name
            case _:
                return ""
