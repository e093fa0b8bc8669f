"""The manifest: a migration script and the project's own modules that it imports, as bytes read now.

Imports are found in the syntax tree, anywhere in a file, and looked up in the project's folders only, so the same
checkout gives the same manifest on every machine. What is found too much makes an approval stale too early; what
is found too little (a name computed at run time) must be refused by whoever loads the sealed files.
"""

# Paths are text here: each import means many look-ups, and Path is several times slower.
# ruff: noqa: PTH100, PTH112, PTH113, PTH116, PTH118, PTH123, PTH206

from __future__ import annotations

import ast
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import TYPE_CHECKING

from migrate_flow.alembic_adapter.header import MAX_BYTES, parse_script
from migrate_flow.core.behaviour import tree_digest
from migrate_flow.core.canonical import sha256
from migrate_flow.core.revision import Manifest, Revision, SealedFile
from migrate_flow.errors import ScriptError

if TYPE_CHECKING:
    from migrate_flow.alembic_adapter.settings import AlembicSettings

MAX_FILES = 2000

# Folders of installed packages, which are not the project's even where they lie inside it.
_INSTALLED = frozenset({".venv", "venv", ".tox", ".nox", "site-packages", "dist-packages", "node_modules"})
# Always loaded before a script runs: a project's folder of that name (migrations often live in alembic/) can't win.
_LOADED = frozenset({"alembic", "sqlalchemy"})


def read_manifest(revision: Revision, settings: AlembicSettings, root: Path) -> Manifest:
    """Seal the script and every project-local module that it imports, directly or through others.

    root: the folder of migrate-flow.toml. Raises ScriptError for a file that can't be read, is no Python source,
    is over 1 MiB, lies outside the project or exists only in compiled form, for more than 2,000 files, and for a
    script that defines no upgrade().
    """
    project = _project(settings, root)
    script = project.seal(os.path.join(project.root, *revision.path.split("/")), "")
    tree = parse_script(script.content, script.path)
    _require_upgrade(tree, script.path)
    modules = _imported_files(project, _imports(tree, ""), script.path)
    behaviour = _behaviour(tree_digest(tree), modules)
    return Manifest((script, *sorted(modules, key=lambda f: (f.path, f.module))), behaviour)


def _behaviour(script: str, modules: Iterable[SealedFile]) -> str:
    """The script's behaviour and, where it imports modules, their very bytes: what they do it may do."""
    lines = sorted(f"{file.sha256}  {file.path}" for file in modules)
    if not lines:
        return script
    return "ast1+modules:" + sha256("\n".join([script, *lines]).encode())


def _require_upgrade(tree: ast.Module, path: str) -> None:
    """Alembic would find out while it runs: here nothing has begun yet."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name="upgrade") | ast.Name(id="upgrade", ctx=ast.Store()):
                return
            case ast.alias(name=name, asname=asname) if (asname or name) in ("upgrade", "*"):
                return
    raise ScriptError("the script has no upgrade()", hint="def upgrade() -> None: …", where=path)


def _imported_files(project: _Project, names: Iterable[str], script: str) -> list[SealedFile]:
    """The modules behind dotted names, and the modules that these import. A file under two names is there twice."""
    sealed: dict[str, SealedFile] = {}
    todo = list(names)
    asked: set[str] = set()
    while todo:
        name = todo.pop()
        if name in asked:
            continue
        asked.add(name)
        for module, path in project.find(name.removesuffix(".*")):
            if module not in sealed:
                sealed[module] = file = project.seal(path, module)
                package = module if path.endswith("__init__.py") else module.rpartition(".")[0]
                todo += _module_imports(file.content, file.path, package)
            if name == f"{module}.*":
                todo += [f"{module}.{part}" for part in _exported(sealed[module])]
        if len(sealed) >= MAX_FILES:
            problem = f"the script imports {MAX_FILES} of the project's files or more"
            raise ScriptError(problem, hint="copy the few definitions that it needs into it", where=script)
    return list(sealed.values())


def read_sealed(path: str | Path, shown: str = "") -> bytes:
    """The bytes of a regular file of at most 1 MiB; links are followed. Never blocks on a FIFO or a device.

    shown: the path for messages. Raises ScriptError.
    """
    shown = shown or str(path)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise _odd(shown)
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(handle, "rb", buffering=0) as file:
            found = os.fstat(handle)  # it may have been exchanged in between
            if not stat.S_ISREG(found.st_mode):
                raise _odd(shown)
            content = file.readall() if found.st_size <= MAX_BYTES else None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name holds a NUL character"
        raise ScriptError(f"the file can't be read: {reason}", hint=f"ls -l {shown}", where=shown) from None
    if content is None or len(content) > MAX_BYTES:
        hint = "move the data that it carries into a file of its own"
        raise ScriptError("the file is over 1 MiB", hint=hint, where=shown)
    return content


def _odd(shown: str) -> ScriptError:
    return ScriptError("this is not a regular file", hint="move it out of the folder", where=shown)


@dataclass(frozen=True, slots=True)
class _Project:
    """The project's folder (its real path) and the folders in it that imports start from, in sys.path's order."""

    root: str
    import_roots: tuple[str, ...]
    prepended: tuple[str, ...]

    def inside(self, path: str) -> str:
        """The real path's place in the project (POSIX), "" if it is not in the project."""
        real = os.path.realpath(path)
        return real[len(self.root) + 1 :].replace(os.sep, "/") if real.startswith(self.root + os.sep) else ""

    def seal(self, path: str, module: str) -> SealedFile:
        place = self.inside(path)
        if not place:
            shown = os.path.relpath(path, self.root).replace(os.sep, "/")
            hint = "put the file itself into the project: what lies outside can't be reviewed with it"
            raise ScriptError(f"{shown} is a link to a file outside the project", hint=hint, where=shown)
        return SealedFile.seal(place, read_sealed(path, place), module)

    def find(self, name: str) -> Iterator[tuple[str, str]]:
        """(module, path) of a dotted name and of the packages on the way, as far as the project has them."""
        parts = name.split(".")
        if parts[0] in _LOADED or not all(part.isidentifier() for part in parts):
            return
        # The standard library goes before the project, except before what Alembic puts first on sys.path.
        standard = parts[0] in sys.stdlib_module_names
        folders = self.prepended if standard else self.import_roots
        for n, part in enumerate(parts):
            path, folders = _step(folders, part)
            if path:
                if not _INSTALLED.isdisjoint(self.inside(path).split("/")):
                    return
                yield ".".join(parts[: n + 1]), path
            elif standard:
                return  # a mere folder goes after it in any case


def _project(settings: AlembicSettings, root: Path) -> _Project:
    configuration = settings.ini or settings.toml
    others = [root, root / "src", *([configuration.parent] if configuration else [])]
    prepended = _inside(settings.prepend_sys_path, root)
    import_roots = dict.fromkeys((*prepended, *_inside(others, root)))
    return _Project(os.path.realpath(root), tuple(import_roots), prepended)


def _inside(folders: Iterable[Path], root: Path) -> tuple[str, ...]:
    """Those in the project, on its real path. One that is a link to outside stays: what is found there is refused."""
    real, named = os.path.realpath(root), os.path.abspath(root)
    found: dict[str, None] = {}
    for folder in folders:
        at, top = os.path.abspath(folder), named
        if not (at + os.sep).startswith(top + os.sep):
            at, top = os.path.realpath(folder), real
        place = at[len(top) :]
        if (at + os.sep).startswith(top + os.sep) and _INSTALLED.isdisjoint(place.split(os.sep)):
            found[real + place] = None
    return tuple(found)


def _step(folders: tuple[str, ...], part: str) -> tuple[str, tuple[str, ...]]:
    """One name of a dotted one: its file, or "", and the folders to go on in. The order is the import system's."""
    portions = []
    for folder in folders:
        base = os.path.join(folder, part)
        for stem, inner in ((os.path.join(base, "__init__"), (base,)), (base, ())):
            if os.path.isfile(stem + ".py"):
                if any(os.path.isfile(stem + suffix) for suffix in EXTENSION_SUFFIXES):
                    raise _compiled(stem)
                return stem + ".py", inner
            if os.path.isfile(stem + ".pyc"):
                raise _compiled(stem)
        if os.path.isdir(base):
            portions.append(base)
    return "", tuple(portions)


def _compiled(stem: str) -> ScriptError:
    hint = "delete the compiled file and keep the .py: only source can be reviewed"
    return ScriptError("a compiled module would be imported here instead of source", hint=hint, where=stem + ".py")


@lru_cache(maxsize=512)  # by content, never by name or time: each file is read every time
def _module_imports(content: bytes, path: str, package: str) -> tuple[str, ...]:
    return _imports(parse_script(content, path), package)


def _imports(tree: ast.Module, package: str) -> tuple[str, ...]:
    """Dotted names that a module may import, ``a.b.*`` for a star import. package: where relative imports start."""
    found: dict[str, None] = {}
    nodes: list[ast.AST] = [tree]
    while nodes:
        node = nodes.pop()
        match node:
            case ast.Import():
                found |= dict.fromkeys(alias.name for alias in node.names)
            case ast.ImportFrom():
                base = _base(node, package)
                found |= dict.fromkeys(f"{base}.{alias.name}" for alias in node.names if base)
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[ast.Constant(value=str(text)), *_]):
                found |= {text: None} if name in ("import_module", "__import__") else {}
        nodes.extend(ast.iter_child_nodes(node))
    return tuple(found)


def _base(node: ast.ImportFrom, package: str) -> str:
    """The absolute name of what is imported from; "" for a relative import beyond the top, which fails when run."""
    if not node.level:
        return node.module or ""
    parents = package.split(".") if package else []
    if len(parents) < node.level:
        return ""
    return ".".join([*parents[: len(parents) - node.level + 1], *([node.module] if node.module else [])])


def _exported(file: SealedFile) -> list[str]:
    """A module's ``__all__`` where it is a literal: ``import *`` loads the submodules named there."""
    for node in parse_script(file.content, file.path).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List(elts=items) | ast.Tuple(elts=items)):
                return [i.value for i in items if isinstance(i, ast.Constant) and isinstance(i.value, str)]
    return []
