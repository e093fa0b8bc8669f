"""Reads a project's env.py without running it: what it asks of the flow, and what in it the flow can't run with."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DEFAULT_VERSION_TABLE = "alembic_version"
_URL = re.compile(r"URL|URI|DSN", re.I)
_ENGINES = ("create_engine", "create_async_engine", "engine_from_config", "async_engine_from_config")
_EXECUTES = ("execute", "exec_driver_sql", "scalar", "begin")


@dataclass(frozen=True, slots=True)
class Surprise:
    """line: in env.py. stops: whether nothing can be applied as it stands; else it may be meant."""

    line: int
    problem: str
    hint: str
    stops: bool = False


@dataclass(frozen=True, slots=True)
class EnvPy:
    """flask: it runs inside of a Flask application (Flask-Migrate). variables: environment variables that it reads, by
    the line where it first does. surprises: in the order of their lines. version_tables: names that it gives to
    Alembic's, by their lines; empty where its text does not tell."""

    flask: bool = False
    variables: tuple[tuple[str, int], ...] = ()
    surprises: tuple[Surprise, ...] = ()
    version_tables: tuple[tuple[str, int], ...] = ()

    @property
    def url_variable(self) -> str:
        """The one that holds the database's URL; empty where it reads none, or several that could."""
        named = {name for name, _line in self.variables if _URL.search(name)}
        return named.pop() if len(named) == 1 else ""


def read_env_py(path: Path, *, url_env: str = "", flask_app: str = "") -> EnvPy:
    """url_env, flask_app: as [project] has them; what they answer is no surprise. Never raises: what can't be read at
    all is a surprise too."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return EnvPy(surprises=(_unreadable(path, error),))
    nodes = [node for node in ast.walk(tree) if hasattr(node, "lineno")]
    flask = any(
        isinstance(node, ast.ImportFrom) and node.module == "flask" and "current_app" in {a.name for a in node.names}
        for node in nodes
    )
    variables: dict[str, int] = {}
    for name, line in sorted(_variables(nodes), key=lambda found: found[1]):
        variables.setdefault(name, line)
    found = EnvPy(flask, tuple(variables.items()))
    surprises = [*_databases(nodes), *_engines(nodes), *_too_early(tree), *_never(nodes)]
    if flask and not flask_app:
        surprises.append(_no_application(nodes))
    if not flask and not url_env:
        surprises += _own_url(nodes, found)
    inorder = tuple(sorted(surprises, key=lambda one: one.line))
    return EnvPy(flask, found.variables, inorder, tuple(_version_tables(nodes)))


def _unreadable(path: Path, error: BaseException) -> Surprise:
    if isinstance(error, FileNotFoundError):
        hint = "restore it from version control; or see the one that `alembic init` makes"
        return Surprise(1, "there is no such file, and Alembic runs nothing without it", hint, stops=True)
    if isinstance(error, OSError):
        return Surprise(1, f"it can't be read: {error.strerror}", f"ls -l {shlex.quote(str(path))}", stops=True)
    line = (error.lineno if isinstance(error, SyntaxError) else None) or 1
    said = error.msg if isinstance(error, SyntaxError) else str(error) or type(error).__name__
    return Surprise(line, f"it is no Python: {said}", f"python -m py_compile {shlex.quote(str(path))}", stops=True)


def _version_tables(nodes: list[ast.AST]) -> list[tuple[str, int]]:
    """Each with its line; none where the text of one does not tell."""
    found = []
    for call in _calls(nodes, "configure"):
        if isinstance(call.func, ast.Attribute) and _name(call.func.value) != "context":
            continue  # of logging, or whatever else can be configured
        words = {word.arg: word.value for word in call.keywords}
        name = words.get("version_table", ast.Constant(DEFAULT_VERSION_TABLE))
        if None in words or not isinstance(name, ast.Constant) or not isinstance(name.value, str):
            return []
        found.append((name.value, call.lineno))
    return found


def _name(node: ast.AST) -> str:
    """Of what is called: the last part of a dotted name."""
    called = node.func if isinstance(node, ast.Call) else node
    return called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""


def _calls(nodes: list[ast.AST], *names: str) -> list[ast.Call]:
    return [node for node in nodes if isinstance(node, ast.Call) and _name(node) in names]


def _variables(nodes: list[ast.AST]) -> Iterator[tuple[str, int]]:
    for node in nodes:
        if isinstance(node, ast.Subscript) and _name(node.value) == "environ":
            key: ast.AST | None = node.slice
        elif isinstance(node, ast.Call) and (_name(node) == "getenv" or _of_environ(node)):
            key = node.args[0] if node.args else None
        else:
            continue
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield key.value, node.lineno


def _of_environ(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Attribute) and node.func.attr == "get" and _name(node.func.value) == "environ"


def _databases(nodes: list[ast.AST]) -> Iterator[Surprise]:
    for call in _calls(nodes, "configure", "run_migrations"):
        if {"upgrade_token", "engine_name"} & {word.arg for word in call.keywords}:
            yield Surprise(
                call.lineno,
                "it migrates several databases in one run (the multidb template), which is not supported",
                "give each database its own Alembic environment and its own migrate-flow.toml",
                stops=True,
            )
            return


def _engines(nodes: list[ast.AST]) -> Iterator[Surprise]:
    for call in _calls(nodes, *_ENGINES):
        if call.args and isinstance(call.args[0], ast.Constant):
            yield _fixed(call.lineno)
    for call in _sets_url(nodes):
        if isinstance(call.args[-1], ast.Constant):
            yield _fixed(call.lineno)


def _sets_url(nodes: list[ast.AST]) -> Iterator[ast.Call]:
    for call in _calls(nodes, "set_main_option", "set_section_option"):
        if "sqlalchemy.url" in [arg.value for arg in call.args[:-1] if isinstance(arg, ast.Constant)]:
            yield call


def _fixed(line: int) -> Surprise:
    return Surprise(
        line,
        "it names its database itself: no other environment can be reached through it",
        'delete that URL; env.py is given the right one: context.config.get_main_option("sqlalchemy.url")',
        stops=True,
    )


def _own_url(nodes: list[ast.AST], found: EnvPy) -> Iterator[Surprise]:
    """A URL that is put over the one that env.py is given."""
    if found.url_variable:
        line = dict(found.variables)[found.url_variable]
        yield Surprise(
            line,
            f"it takes its URL from the variable {found.url_variable}",
            f'url_env = "{found.url_variable}" under [project] hands each environment\'s URL over in it',
        )
        return
    for call in _sets_url(nodes):
        if not isinstance(call.args[-1], ast.Constant):
            yield Surprise(
                call.lineno,
                "it puts a URL of its own over the one that it is given",
                "if that one comes from a variable, name it: url_env under [project]; else delete the line",
            )


def _too_early(tree: ast.Module) -> Iterator[Surprise]:
    """Statements on a connection that stand before context.configure(connection=…) in the same body."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        for number, statement in enumerate(body):
            configured = {
                _name(word.value)
                for call in _calls(list(ast.walk(statement)), "configure")
                for word in call.keywords
                if word.arg == "connection"
            } - {""}
            if not configured or isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            for earlier in body[:number]:
                for call in _calls(list(ast.walk(earlier)), *_EXECUTES):
                    if isinstance(call.func, ast.Attribute) and _name(call.func.value) in configured:
                        yield Surprise(
                            call.lineno,
                            "it opens a transaction before context.configure(): nothing it runs would be committed",
                            "let env.py execute nothing on the connection before context.configure()",
                            stops=True,
                        )


def _never(nodes: list[ast.AST]) -> Iterator[Surprise]:
    if not _calls(nodes, "run_migrations") and not any(
        isinstance(node, ast.ImportFrom | ast.Import) and "alembic" not in ast.unparse(node) for node in nodes
    ):
        yield Surprise(
            1,
            "it never calls context.run_migrations()",
            "see the env.py that `alembic init` makes",
            stops=True,
        )


def _no_application(nodes: list[ast.AST]) -> Surprise:
    line = next((n.lineno for n in nodes if isinstance(n, ast.ImportFrom) and n.module == "flask"), 1)
    return Surprise(
        line,
        "it runs inside of a Flask application (Flask-Migrate), and which one is not said",
        'flask_app = "shop:create_app" under [project], as flask --app',
        stops=True,
    )
