"""What one direction of a script does: its operations and its raw SQL, in the order in which they would run.

Calls of the script's own functions are followed, with the literal arguments that they are given.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from migrate_flow.lint.names import FUNCTIONS, Function, Module, bound_once, nested_functions, parameters
from migrate_flow.lint.operations import NONE, Where, locate, object_operation
from migrate_flow.lint.script import Direction, Operation, Sql
from migrate_flow.lint.sql_text import statements_of, writes_rows
from migrate_flow.lint.tree import children, walk
from migrate_flow.lint.values import OP, Bind, Built, Items, Names, Op, TableValue, Text, Value, last_name, value_of

_EXECUTES = frozenset({"execute", "exec_driver_sql", "executemany", "executescript", "scalar", "scalars"})
_ONLY_WITH_BIND = frozenset({"create", "drop", "create_all", "drop_all"})
_SQL_KEYWORDS = ("sqltext", "statement", "clauseelement", "clause", "sql", "operation", "object")
_MOST_CALLS = 500
_IMPORTS = (ast.Import, ast.ImportFrom)
_TURNS = (ast.Return, ast.Continue, ast.Break)
_ENDS = (*_TURNS, ast.Raise)
_BRANCHES = (ast.If, ast.Try, ast.Match)


class Place(NamedTuple):
    """What holds where a node stands. functions: that are defined around it."""

    names: Names
    functions: dict[str, Function]
    in_block: bool = False
    conditional: bool = False


@dataclass(slots=True)
class Walk:
    """One direction, collected."""

    module: Module
    direction: Direction
    dialects: frozenset[str]
    operations: list[Operation] = field(default_factory=list)
    sql: list[Sql] = field(default_factory=list)
    calls: int = 0
    seen: set[object] = field(default_factory=set)

    def run(self, tree: ast.Module) -> None:
        """What stands in the module itself runs too: Alembic loads the file while it migrates."""
        place = Place(self.module.names, dict(self.module.functions))
        self.body([node for node in tree.body if not isinstance(node, _IMPORTS)], place)
        if function := self.module.functions.get(self.direction):
            self.enter(function, None, place, place)

    def body(self, statements: Iterable[ast.stmt], place: Place) -> None:
        for node in statements:
            self.statement(node, place)
            if isinstance(node, _ENDS):
                return  # what follows never runs
            if isinstance(node, _BRANCHES) and _leaves(node):
                place = place._replace(conditional=True)

    def statement(self, node: ast.stmt, place: Place) -> None:
        if isinstance(node, ast.Expr):  # most of them
            self.expression(node.value, place)
            return
        maybe = _maybe(place)
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return
            case ast.With() | ast.AsyncWith():
                self.block(node, place)
            case ast.For() | ast.AsyncFor():
                self.expression(node.iter, place)
                for names in _turns(node.target, node.iter, place.names):
                    self.body(node.body, maybe._replace(names=names))
                self.body(node.orelse, maybe)
            case ast.If() | ast.While():
                self.expression(node.test, place)
                self.body(node.body, maybe)
                self.body(node.orelse, maybe)
            case ast.Match():
                self.expression(node.subject, place)
                for case in node.cases:
                    self.body(case.body, maybe)
            case ast.Try() | ast.TryStar():
                parts = [node.body, *(handler.body for handler in node.handlers), node.orelse, node.finalbody]
                for part in parts:
                    self.body(part, maybe)
            case _:
                for child in children(node):
                    self.expression(child, place)

    def block(self, node: ast.With | ast.AsyncWith, place: Place) -> None:
        names, in_block = dict(place.names), place.in_block
        for item in node.items:
            call, target = item.context_expr, item.optional_vars
            self.expression(call, place)
            name = last_name(call.func) if isinstance(call, ast.Call) else ""
            in_block = in_block or name == "autocommit_block"
            if name == "batch_alter_table" and isinstance(call, ast.Call) and isinstance(target, ast.Name):
                where = locate(name, call, place.names, None)
                names[target.id] = TableValue(where.table, where.schema, batch=True)
        self.body(node.body, place._replace(names=names, in_block=in_block))

    def expression(self, node: ast.AST, place: Place) -> None:
        match node:
            case ast.Constant():
                return
            case ast.Call():
                self.call(node, place)
                return
            case ast.Name(id=name, ctx=ast.Load()):
                self.handed_on(name, place)
                return
            case ast.Attribute(value=value, attr=name) if self.is_op(value, place) and name not in NONE:
                # `map(op.drop_table, names)`: which tables, only running shows
                self.operation(name, ast.copy_location(ast.Call(node, [], []), node), _maybe(place), Where())
                return
            case ast.IfExp() | ast.BoolOp() | ast.Lambda() | ast.comprehension():
                place = _maybe(place)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                place = _maybe(place)
        for child in children(node):
            self.expression(child, place)

    def call(self, node: ast.Call, place: Place) -> None:
        func = node.func
        if isinstance(func, ast.Attribute):
            self.method(func, node, place)
        elif isinstance(func, ast.Name):
            if func.id in self.module.aliases:
                self.named(self.module.aliases[func.id], node, place, None)
            elif func.id in place.functions:
                outer = place if func.id not in self.module.functions else self.outside(place)
                self.enter(place.functions[func.id], node, place, outer)
            elif func.id == "getattr" and node.args and self.is_op(node.args[0], place):
                self.unknown(node, place, "getattr")
            else:
                self.handed_on(func.id, place)
        else:
            self.expression(func, place)
        for child in [*node.args, *(keyword.value for keyword in node.keywords)]:
            self.expression(child, place)

    def method(self, func: ast.Attribute, node: ast.Call, place: Place) -> None:
        owner = value_of(func.value, place.names)
        if isinstance(owner, Op):
            self.named(func.attr, node, place, None)
        elif isinstance(owner, TableValue) and owner.batch:
            self.named(func.attr, node, place, owner)
        elif func.attr in _EXECUTES and (node.args or node.keywords):
            self.execute(func.attr, node, place)
        elif func.attr in _ONLY_WITH_BIND and _has_bind(node, place.names):
            name, where = object_operation(node, place.names) or (func.attr, Where())
            self.operation(name, node, place, where)
        elif func.attr in self.module.methods:
            self.enter(self.module.methods[func.attr], None, _maybe(place), self.outside(place))
        self.expression(func.value, place)

    def named(self, name: str, node: ast.Call, place: Place, batch: TableValue | None) -> None:
        if name == "execute":
            self.execute(name, node, place)
        elif name not in NONE:
            self.operation(name, node, place, locate(name, node, place.names, batch), in_batch=batch is not None)

    def operation(self, name: str, call: ast.Call, place: Place, where: Where, *, in_batch: bool = False) -> None:
        found = Operation(
            name, self.direction, call.lineno, call, where.table, where.column, where.schema, where.object_name,
            in_batch, place.in_block, place.conditional, call.end_lineno or call.lineno,
        )  # fmt: skip
        self.operations.append(found)

    def execute(self, via: str, node: ast.Call, place: Place) -> None:
        keywords = [k.value for k in node.keywords if k.arg in _SQL_KEYWORDS or k.arg is None]
        given = [*node.args, *keywords]
        found = value_of(given[0], place.names) if given else None
        if isinstance(found, Text):
            found = _from_first_word(found)
            statements = statements_of(found.text, self.dialects)
            self.sql.append(
                Sql(
                    found.text, self.direction, found.line, via, statements, place.in_block, place.conditional,
                    writes_rows(statements), False, found.end_line,
                )
            )  # fmt: skip
        elif isinstance(found, Built):
            sql = Sql(None, self.direction, node.lineno, via, None, place.in_block, place.conditional, found.data, True)
            self.sql.append(sql)
        else:
            self.unknown(node, place, via)

    def unknown(self, node: ast.AST, place: Place, via: str) -> None:
        line = getattr(node, "lineno", 0)
        self.sql.append(Sql(None, self.direction, line, via, None, place.in_block, place.conditional))

    def handed_on(self, name: str, place: Place) -> None:
        """A function or class that is named, not called: who knows whether it will be, and with what."""
        if name in place.functions and name not in ("upgrade", "downgrade"):
            self.enter(place.functions[name], None, _maybe(place), place)
        elif name in self.module.classes:
            for item in self.module.classes[name].body:
                if isinstance(item, FUNCTIONS):
                    self.enter(item, None, _maybe(place), self.outside(place))

    def enter(self, function: Function, call: ast.Call | None, place: Place, outer: Place) -> None:
        """place: of the call. outer: what is visible where the function is defined."""
        given = parameters(function, call, place.names, outer.names)
        key = (function, place.in_block, place.conditional, tuple(given.items()))
        if key in self.seen:
            return  # the same lines would say the same again; also the end of a recursion
        self.seen.add(key)
        self.calls += 1
        if self.calls > _MOST_CALLS:
            if self.calls == _MOST_CALLS + 1:
                self.unknown(function, place, "calls")
            return
        own = bound_once(function, {**outer.names, **given})
        names = {**outer.names, **own, **{name: None if name in own else value for name, value in given.items()}}
        inner = Place(names, {**outer.functions, **nested_functions(function)}, place.in_block, place.conditional)
        self.body(function.body, inner)

    def outside(self, place: Place) -> Place:
        return place._replace(names=self.module.names, functions=dict(self.module.functions))

    def is_op(self, node: ast.AST, place: Place) -> bool:
        return isinstance(node, ast.expr) and value_of(node, place.names) is OP


def _maybe(place: Place) -> Place:
    return place._replace(conditional=True)


def _from_first_word(found: Text) -> Text:
    """Without the blank lines at the start, so that the line is one that says something."""
    rest = found.text.lstrip()
    blank = found.text[: len(found.text) - len(rest)]
    if not found.end_line or not rest or "\n" not in blank:
        return found
    skipped = blank.rindex("\n") + 1
    return Text(found.text[skipped:], found.line + blank.count("\n"), found.end_line)


def _has_bind(call: ast.Call, names: Names) -> bool:
    """Whether it is handed a connection: else `create` may be anything."""
    first = value_of(call.args[0], names) if call.args else None
    given = {keyword.arg for keyword in call.keywords}
    return isinstance(first, Bind) or not given.isdisjoint({"bind", "checkfirst"})


def _leaves(node: ast.If | ast.Try | ast.Match) -> bool:
    """Whether the function may end in it without an error."""
    todo: list[ast.AST] = [node]
    while todo:
        item = todo.pop()
        if isinstance(item, _TURNS):
            return True
        if not isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.expr)):
            todo += children(item)
    return False


def _turns(target: ast.expr, over: ast.expr, names: Names) -> Iterator[Names]:
    """The names in each turn of a loop: one by one over a written list, else once with the target unknown."""
    unknown: Names = {**names, **{n.id: None for n in walk(target) if isinstance(n, ast.Name)}}
    found = value_of(over, names)
    if not isinstance(found, Items):
        yield unknown
        return
    for value in found.values:
        yield {**unknown, **_bound(target, value)}


def _bound(target: ast.expr, value: Value | None) -> Names:
    match target, value:
        case ast.Name(id=name), _:
            return {name: value}
        case ((ast.Tuple(elts=targets) | ast.List(elts=targets)), Items(values=values)):
            return {t.id: v for t, v in zip(targets, values, strict=False) if isinstance(t, ast.Name)}
    return {}
