"""What names and expressions of a script stand for, as far as reading can tell: texts, tables, Alembic's `op`."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_WRAPPERS = frozenset({"f", "text", "DDL", "quoted_name", "literal_column"})
_STRIPS = frozenset({"strip", "lstrip", "rstrip"})
_FILLS = frozenset({"format", "join", "replace"})
_LONGEST = 100
_TABLES = frozenset({"table", "Table"})
_ENUMS = frozenset({"Enum", "ENUM"})
_ROWS = frozenset({"insert", "update", "delete", "Insert", "Update", "Delete"})
# SQLAlchemy's own expressions: no text, but no secret either.
_BUILT = _ROWS | {
    "select", "Select", "CreateTable", "DropTable", "CreateIndex", "DropIndex", "CreateSequence", "DropSequence",
    "AddConstraint", "DropConstraint", "CreateSchema", "DropSchema", "CreateView", "DropView",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Text:
    """line, end_line: of the literal, wherever it stands; end_line is 0 where its lines are not the source's."""

    text: str
    line: int
    end_line: int = 0


@dataclass(frozen=True, slots=True)
class TableValue:
    """``sa.table("x")`` or ``sa.Table("x", …)``; a batch of operations on it where batch is true."""

    name: str
    schema: str = ""
    batch: bool = False


@dataclass(frozen=True, slots=True)
class EnumValue:
    name: str


@dataclass(frozen=True, slots=True)
class Built:
    """An expression of SQLAlchemy's. data: it writes rows."""

    data: bool


@dataclass(frozen=True, slots=True)
class Items:
    """A list or tuple as it is written."""

    values: tuple[Value | None, ...]


class Op:
    """The module ``alembic.op``."""


class Bind:
    """``op.get_bind()``"""


Value = Text | TableValue | EnumValue | Built | Items | Op | Bind
Names = Mapping[str, Value | None]
OP, BIND = Op(), Bind()


def last_name(node: ast.AST) -> str:
    """``c`` of ``a.b.c``, ``a`` of ``a``."""
    match node:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return ""


def value_of(node: ast.expr | None, names: Names) -> Value | None:
    """None for whatever only running would show."""
    match node:
        case ast.Constant(value=str(text)):
            last = node.end_lineno or node.lineno
            return Text(text, node.lineno, last if last - node.lineno == text.count("\n") else 0)
        case ast.Name(id=name):
            return names.get(name)
        case ast.JoinedStr():
            return _joined(node, names)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            first, second = value_of(left, names), value_of(right, names)
            if isinstance(first, Text) and isinstance(second, Text):
                return Text(first.text + second.text, first.line)
            return None
        case ast.Attribute(value=ast.Name(id="alembic"), attr="op"):
            return OP
        case ast.Call():
            return _called(node, names)
        case ast.List(elts=items) | ast.Tuple(elts=items) if len(items) <= _LONGEST:
            if not any(isinstance(item, ast.Starred) for item in items):
                return Items(tuple(value_of(item, names) for item in items))
    return None


def text_of(node: ast.expr | None, names: Names) -> str:
    """A literal name, empty for anything else."""
    found = value_of(node, names)
    return found.text if isinstance(found, Text) else ""


def _joined(node: ast.JoinedStr, names: Names) -> Text | None:
    parts = []
    for part in node.values:
        if isinstance(part, ast.FormattedValue) and (part.format_spec or part.conversion not in (-1, ord("s"))):
            return None
        inner = part.value if isinstance(part, ast.FormattedValue) else part
        if isinstance(inner, ast.Constant) and isinstance(inner.value, int):
            found: Value | None = Text(str(inner.value), inner.lineno)
        else:
            found = value_of(inner, names)
        if not isinstance(found, Text):
            return None
        parts.append(found.text)
    text, last = "".join(parts), node.end_lineno or node.lineno
    return Text(text, node.lineno, last if last - node.lineno == text.count("\n") else 0)


def _called(node: ast.Call, names: Names) -> Value | None:
    name = last_name(node.func)
    first = node.args[0] if node.args and not isinstance(node.args[0], ast.Starred) else None
    if name in _WRAPPERS and (first or node.keywords):
        return value_of(first or node.keywords[0].value, names)
    if name == "dedent" and isinstance(found := value_of(first, names), Text):
        return Text(textwrap.dedent(found.text), found.line, found.end_line)
    if name in _STRIPS and not node.args and isinstance(node.func, ast.Attribute):
        return _stripped(name, value_of(node.func.value, names))
    if name in _FILLS and isinstance(node.func, ast.Attribute):
        return _filled(name, value_of(node.func.value, names), node, names)
    if name in ("bindparams", "execution_options", "columns") and isinstance(node.func, ast.Attribute):
        return value_of(node.func.value, names)
    if name in _TABLES:
        schema = next((text_of(k.value, names) for k in node.keywords if k.arg == "schema"), "")
        return TableValue(text_of(first, names), schema)
    if name in _ENUMS:
        return EnumValue(next((text_of(k.value, names) for k in node.keywords if k.arg == "name"), ""))
    if name == "get_bind":
        return BIND
    made = _BUILT.intersection(_chain(node))
    return Built(not _ROWS.isdisjoint(made)) if made else None


def _stripped(name: str, found: Value | None) -> Text | None:
    if not isinstance(found, Text):
        return None
    text: str = getattr(found.text, name)()
    shift = 0 if name == "rstrip" else found.text[: len(found.text) - len(found.text.lstrip())].count("\n")
    line = found.line + shift if found.end_line else found.line
    return Text(text, line, line + text.count("\n") if found.end_line else 0)


def _filled(name: str, pattern: Value | None, node: ast.Call, names: Names) -> Text | None:
    """``"…".format(a="b")`` and the like, of written texts alone."""
    given = [value_of(arg, names) for arg in node.args]
    if name == "join":
        given = list(given[0].values) if given and isinstance(given[0], Items) else [None]
    keywords = {keyword.arg: value_of(keyword.value, names) for keyword in node.keywords if keyword.arg}
    texts = [value.text for value in given if isinstance(value, Text)]
    named = {key: value.text for key, value in keywords.items() if isinstance(value, Text)}
    complete = len(texts) == len(given) and len(named) == len(node.keywords)
    if not isinstance(pattern, Text) or not complete or any(isinstance(arg, ast.Starred) for arg in node.args):
        return None
    try:
        if name == "join":
            return Text(pattern.text.join(texts), node.lineno)
        filled: str = getattr(pattern.text, name)(*texts, **named)
    except (TypeError, ValueError, LookupError, AttributeError):
        return None  # it would fail when it runs, too
    same = filled.count("\n") == pattern.text.count("\n")
    return Text(filled, pattern.line, pattern.end_line if same else 0)


def _chain(node: ast.expr) -> Iterator[str]:
    """The names called in ``a.insert().values(…)``."""
    here: ast.expr = node
    while True:
        match here:
            case ast.Call(func=called):
                yield last_name(called)
                here = called
            case ast.Attribute(value=value):
                here = value
            case _:
                return
