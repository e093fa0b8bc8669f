"""The behaviour digest: what a script does, whatever its comments, docstrings and layout say.

``ast.dump`` is no base for it: its text, the fields of nodes and their defaults differ between versions of Python.
The tree is walked here instead, with everything left out that is empty, positional or newer than 3.11.
"""

from __future__ import annotations

import ast
import hashlib
import warnings
from collections.abc import Iterable, Sequence
from functools import cache

TAG = "ast1:sha256:"

# ctx follows from the place in the tree; the rest is for type checkers.
_SKIPPED = frozenset({"ctx", "type_comment", "type_ignores"})
_LEAVES = frozenset({"ctx", "op", "ops", "id", "attr", "type_comment", "type_ignores"})
_DOCUMENTED = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def syntax_tree(source: bytes) -> ast.Module:
    """Parse as the import system would: PEP 263 declarations, byte order mark, any line ends.

    Raises SyntaxError for everything that stops the parser, whatever the version calls it. Prints no warnings.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "\d" in a plain string is the script's business
        try:
            return ast.parse(source)
        except (RecursionError, MemoryError):
            raise SyntaxError("nested too deeply") from None
        except (ValueError, LookupError, OverflowError):
            raise SyntaxError("not a Python source") from None


def behaviour_digest(source: bytes) -> str:
    """``ast1:sha256:<hex>`` of the syntax tree without comments, docstrings and positions; "" if it does not parse.

    The same on Python 3.11 to 3.14 for a source that all of them understand.
    """
    try:
        return tree_digest(syntax_tree(source))
    except SyntaxError:
        return ""


def every_node(*trees: ast.AST) -> list[ast.AST]:
    """All that matters of what ``ast.walk`` finds, twice as fast: no contexts and operators."""
    found: list[ast.AST] = list(trees)
    for node in found:  # it grows meanwhile
        for name in _inner(type(node)):  # type: ignore[arg-type] # a class can be hashed
            value = getattr(node, name, None)
            if isinstance(value, list):
                found += [item for item in value if isinstance(item, ast.AST)]
            elif isinstance(value, ast.AST):
                found.append(value)
    return found


@cache
def _inner(kind: type[ast.AST]) -> tuple[str, ...]:
    return tuple(name for name in kind._fields if name not in _LEAVES)


def tree_digest(tree: ast.Module, nodes: Sequence[ast.AST] = ()) -> str:
    """The digest of a tree already parsed. nodes: all of it, where the caller has them."""
    return TAG + hashlib.sha256(b"".join(_tokens(tree, _reads_docstrings(nodes or every_node(tree))))).hexdigest()


def _tokens(tree: ast.Module, keep_docs: bool) -> list[bytes]:
    """An unambiguous byte form of the tree. A stack instead of recursion: generated scripts nest deeply."""
    found: list[bytes] = []
    stack: list[object] = [tree]  # bytes are ready; a constant's own are no item of it
    while stack:
        item = stack.pop()
        if isinstance(item, bytes):
            found.append(item)
        elif isinstance(item, ast.Constant):
            found.append(_scalar(item.value))
        elif isinstance(item, ast.AST):
            found.append(b"(" + type(item).__name__.encode())
            inner: list[object] = [b")"]
            for name, begins in reversed(_names(type(item))):  # type: ignore[arg-type]
                value = _field(item, name, keep_docs)
                if isinstance(value, (ast.AST, list)):
                    inner += (value, begins) if value else ()
                elif value is not None:
                    inner.append(begins + _scalar(value))
            stack += inner
        elif isinstance(item, list):
            found.append(b"[")
            stack.append(b"]")
            stack += reversed(item)
        else:
            found.append(_scalar(item))
    return found


@cache
def _names(kind: type[ast.AST]) -> tuple[tuple[str, bytes], ...]:
    """A node's fields that may mean something, sorted, and how each begins."""
    return tuple((name, b" " + name.encode() + b"=") for name in sorted(kind._fields) if name not in _SKIPPED)


def _field(node: ast.AST, name: str, keep_docs: bool) -> object:
    """What a field means; nothing is None or an empty list, so new fields don't show."""
    value = getattr(node, name, None)
    if name == "body" and isinstance(node, _DOCUMENTED) and not keep_docs:
        return _without_docstring(node)
    if name == "values" and isinstance(node, ast.JoinedStr):
        return _joined(node.values)
    if name == "format_spec" and isinstance(value, ast.JoinedStr) and not _joined(value.values):
        return None  # f"{x:}": an empty spec is there in some versions and not in others
    return value


def _reads_docstrings(nodes: Iterable[ast.AST]) -> bool:
    """A script that uses ``__doc__`` (as a table's comment, say) behaves differently when a docstring changes."""
    return any(
        (isinstance(n, ast.Name) and n.id == "__doc__") or (isinstance(n, ast.Attribute) and n.attr == "__doc__")
        for n in nodes
    )


def _without_docstring(
    node: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef,
) -> list[ast.stmt]:
    match node.body:
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            # a body that was its docstring alone does what ``pass`` does
            return rest or ([] if isinstance(node, ast.Module) else [ast.Pass()])
        case body:
            return body


def _joined(values: list[ast.expr]) -> list[ast.expr]:
    """The parts of an f-string with neighbouring texts merged: 3.11 and 3.12 cut them in different places."""
    parts: list[ast.expr] = []
    for value in values:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            last = parts[-1] if parts else None
            if isinstance(last, ast.Constant):
                parts[-1] = ast.Constant(str(last.value) + value.value)
            elif value.value:
                parts.append(value)
        else:
            parts.append(value)
    return parts


def _scalar(value: object) -> bytes:
    """A constant with its type and length. Not repr() for text: what it escapes depends on the Unicode version."""
    if isinstance(value, str):
        raw = value.encode("utf-8", "surrogatepass")
    elif isinstance(value, bytes):
        raw = value
    elif isinstance(value, int):
        raw = hex(value).encode()  # repr() refuses more than 4300 digits
    else:
        raw = repr(value).encode()
    return b"%s:%d:%s" % (type(value).__name__.encode(), len(raw), raw)
