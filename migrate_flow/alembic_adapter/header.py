"""The header of a migration script, read from its syntax tree: nothing of the project is run.

Alembic imports each script to learn these four names. Here they must be literals, with one way out for
``branch_labels`` and ``depends_on`` (``graph = "import"``), since real projects write expressions there.
"""

from __future__ import annotations

import ast
import io
import re
import shlex
import tokenize
from collections.abc import Callable, Iterable

from migrate_flow.core.behaviour import syntax_tree
from migrate_flow.core.revision import Revision
from migrate_flow.errors import ScriptError

MAX_BYTES = 1 << 20
NAMES = frozenset({"revision", "down_revision", "branch_labels", "depends_on"})
_OTHERS = ("down_revision", "depends_on", "branch_labels")

# The run-time values of (branch_labels, depends_on), for projects that allow importing their scripts.
Evaluate = Callable[[bytes, str], tuple[object, object]]

# An id is spliced into SQL as it is and stored in VARCHAR(32). Alembic itself refuses @ - + and : in it.
_UNFIT = frozenset("'\"`\\:@+-")
_COMPUTED, _CHARACTERS = "computed-header", "bidi-or-control-characters"  # rules of lint
_SYMBOLS = frozenset({"head", "heads", "base"})
_BODY = re.compile(rb"^(?:async\b|def\b|class\b|@)", re.M)
# What Alembic's template makes: comments, docstring, plain imports, names set to None or a simple string.
_END = rb"[ ]*(?:\#[^\r\n]*)?\n"
_NAME = rb"(revision|down_revision|branch_labels|depends_on)(?::[ ][\w\[\], .|]+)?[ ]=[ ]"
_VALUE = rb"""(None|"[^"\\\r\n]*"|'[^'\\\r\n]*')"""
_IMPORT = (
    rb"(?![^\n]*(?:revision|branch_labels|depends_on))(?:from[ ][\w.]+[ ])?import[ ][\w.]+(?:[ ]as[ ]\w+|,[ ]\w+)*"
)
_PLAIN = re.compile(
    rb'(?:%(end)s)*+(?:"""([^"\\\r]*)"""%(end)s)?((?:%(end)s|%(import)s%(end)s|%(name)s%(value)s%(end)s)*+)'
    % {b"end": _END, b"import": _IMPORT, b"name": _NAME, b"value": _VALUE}
)
_SET = re.compile(rb"^" + _NAME + _VALUE, re.M)
_UTF8 = frozenset({"utf-8", "utf-8-sig"})
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def read_header(source: bytes, path: str, *, whole: bool = False, evaluate: Evaluate | None = None) -> Revision:
    """The revision that a script declares. path: as it is to be shown, relative to the project root.

    whole: parse all of it, so that a syntax error below the header is found too (three times slower).
    evaluate: asked for branch_labels and depends_on where they are expressions.
    Raises ScriptError with where = ``path:line``.
    """
    encoding = _check_bytes(source, path)
    head = _head(source) if encoding in _UTF8 and not whole else b""
    if plain := _plain(head, path):
        return plain
    tree = _header_tree(head, source, path)
    values = _assigned(tree, path)
    if "revision" not in values:
        hint = 'add revision = "…", or move the file out of the versions folder'
        raise _error(path, 0, "the file declares no revision", hint)
    if "down_revision" not in values:
        hint = "add down_revision = None, or the id of its parent"
        raise _error(path, 0, "the file declares no down_revision", hint)
    revision, parents = _revision_id(values["revision"], path), _parents(values["down_revision"], path)
    names = _names(values, source, path, evaluate)
    _check_labels(names["branch_labels"], values, path)
    return Revision(revision, parents, names["depends_on"], names["branch_labels"], _docstring(tree), path)


def parse_script(source: bytes, path: str) -> ast.Module:
    """The syntax tree of a whole Python file of the project. Raises ScriptError with where = ``path:line``."""
    _check_bytes(source, path)
    return _parse(source, path)


def _error(path: str, line: int, problem: str, hint: str, rule: str = "") -> ScriptError:
    return ScriptError(problem, hint=hint, where=f"{path}:{line}" if line else path, rule=rule)


def _check_bytes(source: bytes, path: str) -> str:
    """Refuse what Python would not take for a source file. Returns the encoding's name."""
    if len(source) > MAX_BYTES:
        raise _error(path, 0, "the file is over 1 MiB", "move the data that it carries into a file of its own")
    if b"\0" in source:
        line = source.count(b"\n", 0, source.index(b"\0")) + 1
        raise _error(path, line, "the file holds a NUL byte", "save it as UTF-8 text", _CHARACTERS)
    end = source.find(b"\n", source.find(b"\n") + 1)
    if source.isascii() and b"coding" not in source[: end if end >= 0 else None]:
        return "utf-8"
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
        source.decode(encoding)
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        raise _error(path, line, f"the file is not {error.encoding} text", "save it as UTF-8", "not-utf8") from None
    except (SyntaxError, LookupError, UnicodeError):
        problem = "the file is not UTF-8, and declares no encoding that Python knows"
        raise _error(path, 1, problem, "save it as UTF-8", "not-utf8") from None
    return encoding


def _parse(source: bytes, path: str) -> ast.Module:
    try:
        return syntax_tree(source)
    except SyntaxError as error:
        hint = f"python -m py_compile {shlex.quote(path)}"
        raise _error(path, error.lineno or 0, f"syntax error: {error.msg}", hint) from None


def _head(source: bytes) -> bytes:
    """What stands before the first function or class, "" if the rest could touch the header's names.

    The rest must be ASCII: Python takes full-width letters for the plain ones.
    """
    body = _BODY.search(source)
    start = body.start() if body else len(source)
    rest = source[start:]
    touched = any(name in rest for name in (b"revision", b"branch_labels", b"depends_on"))
    return b"" if touched or not rest.isascii() else source[:start]


def _plain(head: bytes, path: str) -> Revision | None:
    """The revision of a header as the template makes it, six times faster than its tree; None for any other.

    Every line of such a header matches, so none of them can be a part of something else.
    """
    match = _PLAIN.fullmatch(head)
    if not match:
        return None
    set_to = {name.decode(): value for name, value in _SET.findall(match[2])}
    values = {name: value[1:-1].decode() for name, value in set_to.items() if value != b"None"}
    labelled = "branch_labels" in values and label_problem(values["branch_labels"])
    if "down_revision" not in set_to or labelled or id_problem(values.get("revision", "")):
        return None  # a mistake, which the tree can locate
    parents, depends, labels = ((values[n],) if n in values else () for n in _OTHERS)
    return Revision(values["revision"], parents, depends, labels, (match[1] or b"").decode(), path)


def _header_tree(head: bytes, source: bytes, path: str) -> ast.Module:
    """The head's tree, or the whole one's: a cut inside a string or a bracket does not parse."""
    try:
        return syntax_tree(head) if head else _parse(source, path)
    except SyntaxError:
        return _parse(source, path)


def _assigned(tree: ast.Module, path: str) -> dict[str, ast.expr]:
    """The last plain assignment of each name. Whatever else binds one of them makes the header computed."""
    values: dict[str, ast.expr] = {}
    for node in tree.body:
        match node:
            case ast.Assign(targets=targets, value=value) if all(isinstance(t, ast.Name) for t in targets):
                values |= {t.id: value for t in targets if isinstance(t, ast.Name) and t.id in NAMES}
                bound = _bound(value)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                values |= {name: value} if name in NAMES else {}
                bound = _bound(value)
            case ast.AnnAssign(target=ast.Name(), value=None):
                bound = set()
            case _:
                bound = _bound(node)
        for name in NAMES & bound:
            hint = f'assign it once, as a literal: {name} = "…"; it is read without running the script'
            raise _error(path, node.lineno, f"{name} is computed", hint, _COMPUTED)
    return values


def _docstring(tree: ast.Module) -> str:
    match tree.body:
        case [ast.Expr(value=ast.Constant(value=str(doc))), *_]:
            # an escaped lone surrogate could be neither stored nor printed
            return doc if doc.isascii() else doc.encode("utf-8", "backslashreplace").decode()
    return ""


def _bound(node: ast.AST) -> set[str]:
    """Names that a statement binds in the module, however deep, and those that a function declares global."""
    if isinstance(node, ast.Constant):
        return set()
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {alias.asname or alias.name for alias in node.names}
    found: set[str] = set()
    todo: list[tuple[ast.AST, bool]] = [(node, False)]
    while todo:
        item, local = todo.pop()
        if isinstance(item, ast.Global):
            found.update(item.names)
        if not local:
            found |= _binds(item)
        inner = local or isinstance(item, _SCOPES)
        # a comprehension keeps its targets to itself, though not what := binds in it
        children = [item.iter, *item.ifs] if isinstance(item, ast.comprehension) else ast.iter_child_nodes(item)
        todo.extend((child, inner) for child in children)
    return found


def _binds(item: ast.AST) -> set[str]:
    match item:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            return {name}
        case ast.Import() | ast.ImportFrom():
            return {alias.asname or alias.name for alias in item.names}
    bound = getattr(item, "name", None)  # functions, classes, except … as, case … as
    return {bound} if isinstance(bound, str) else set()


def _strings(node: ast.expr) -> tuple[str, ...] | None:
    """None, a string, or a tuple or list of strings, as Alembic takes them; else no value."""
    match node:
        case ast.Constant(value=None):
            return ()
        case ast.Constant(value=str(text)):
            return (text,)
        case ast.Tuple(elts=items) | ast.List(elts=items):
            texts = [i.value for i in items if isinstance(i, ast.Constant) and isinstance(i.value, str)]
            return tuple(dict.fromkeys(texts)) if len(texts) == len(items) else None
    return None


def _kind(node: ast.expr) -> str:
    """What stands there instead of a string, for a message."""
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return "an expression"
    return "None" if value is None else f"of type {type(value).__name__}"


def _revision_id(node: ast.expr, path: str) -> str:
    if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        problem = f"revision is {_kind(node)}, not a string"
        raise _error(path, node.lineno, problem, 'write it as a literal: revision = "…"', _COMPUTED)
    problem = id_problem(node.value)
    if problem:
        hint = "give the revision an id such as 3f2a91c04d7e, and rename its file"
        raise _error(path, node.lineno, problem, hint, "revision-id-format")
    return node.value


def id_problem(text: str) -> str:
    """Why a text can't be a revision id, or "". 1 to 32 printable ASCII characters; Alembic splices them into SQL."""
    if not text:
        return "the revision id is empty"
    if len(text) > 32:
        return f"the revision id has {len(text)} characters; Alembic's version table holds 32"
    if unfit := sorted({c for c in text if not "!" <= c <= "~" or c in _UNFIT}):
        return f"the revision id {text!a} holds {', '.join(map(ascii, unfit))}"
    if text in _SYMBOLS:
        return f"the revision id {text!r} is a word that Alembic gives a meaning"
    return ""


def _parents(node: ast.expr, path: str) -> tuple[str, ...]:
    parents = _strings(node)
    if parents is None:
        problem = f"down_revision is {_kind(node)}, not None, a string or a tuple of strings"
        raise _error(path, node.lineno, problem, 'write it as a literal: down_revision = "…"', _COMPUTED)
    return parents


def _names(
    values: dict[str, ast.expr], source: bytes, path: str, evaluate: Evaluate | None
) -> dict[str, tuple[str, ...]]:
    """branch_labels and depends_on; evaluated only where the syntax tree can't know them."""
    found: dict[str, tuple[str, ...]] = {"branch_labels": (), "depends_on": ()}
    evaluated: dict[str, object] = {}
    for name in found:
        node = values.get(name)
        texts = _strings(node) if node else ()
        if texts is None and node and evaluate and _kind(node) == "an expression":
            evaluated = evaluated or dict(zip(found, evaluate(source, path), strict=True))
            texts = _texts(evaluated[name])
        if texts is None and node:
            raise _unknown(name, node, path, evaluate is None)
        found[name] = texts or ()
    return found


def _unknown(name: str, node: ast.expr, path: str, may_help: bool) -> ScriptError:
    kind = _kind(node)
    if kind == "an expression" and may_help:
        hint = 'write a literal, or set graph = "import" under [project] in migrate-flow.toml'
        return _error(path, node.lineno, f"{path} needs an import: its {name} is an expression", hint, _COMPUTED)
    hint = f'write it as a literal: {name} = "…"'
    return _error(path, node.lineno, f"{name} is {kind}, not None, a string or a tuple of strings", hint, _COMPUTED)


def _check_labels(labels: tuple[str, ...], values: dict[str, ast.expr], path: str) -> None:
    for label in labels:
        if problem := label_problem(label):
            hint = "a label is a word without spaces and @, other than head, heads and base"
            raise _error(path, values["branch_labels"].lineno, problem, hint)


def label_problem(label: str) -> str:
    """Why a text can't be a branch label, or ""."""
    fits = label and label.isprintable() and "@" not in label and " " not in label and label not in _SYMBOLS
    return "" if fits else f"the branch label {label!a} can't be used"


def _texts(value: object) -> tuple[str, ...] | None:
    """A run-time value as Alembic's ``to_tuple`` takes it."""
    if value is None or isinstance(value, str):
        return () if value is None else (value,)
    if not isinstance(value, Iterable):
        return None
    items = list(value)
    return tuple(dict.fromkeys(items)) if all(isinstance(i, str) for i in items) else None
