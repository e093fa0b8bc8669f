"""The project's own modules behind the imports of a script.

Imports are found in the syntax tree, anywhere in a file, and looked up in the project's folders only, so the same
checkout gives the same ones on every machine. What is found too much makes an approval stale too early; what is found
too little (a name computed at run time) must be refused by whoever loads the sealed files.
"""

# Paths are text here: each import means many look-ups, and Path is several times slower.
# ruff: noqa: PTH100, PTH112, PTH113, PTH118, PTH206

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import TYPE_CHECKING

from migrate_flow.alembic_adapter.files import read_sealed
from migrate_flow.alembic_adapter.header import parse_script
from migrate_flow.core.behaviour import every_node
from migrate_flow.core.revision import SealedFile
from migrate_flow.errors import ScriptError

if TYPE_CHECKING:
    from migrate_flow.alembic_adapter.settings import AlembicSettings

MAX_FILES = 2000

# Folders of installed packages, which are not the project's even where they lie inside it.
_INSTALLED = frozenset({".venv", "venv", ".tox", ".nox", "site-packages", "dist-packages", "node_modules"})
# Always loaded before a script runs: a project's folder of that name (migrations often live in alembic/) can't win.
_LOADED = frozenset({"alembic", "sqlalchemy"})


@dataclass(frozen=True, slots=True)
class Names:
    """imports: dotted names that a file may import, ``a.b.*`` for a star import. exported: of a module, its
    ``__all__`` where that is a literal: ``import *`` loads the submodules named there."""

    imports: tuple[str, ...] = ()
    exported: tuple[str, ...] = ()


def follow(project: Project, names: Iterable[str], script: str, read: Callable[[str, str], Names]) -> None:
    """Find the modules behind dotted names, and the modules that these import.

    read: called once with the path and the name of each; a file under two names is read twice. Raises ScriptError.
    """
    found: dict[str, Names] = {}
    todo = list(names)
    asked: set[str] = set()
    while todo:
        name = todo.pop()
        if name in asked:
            continue
        asked.add(name)
        for module, path in project.find(name.removesuffix(".*")):
            if module not in found:
                found[module] = read(path, module)
                todo += found[module].imports
            if name == f"{module}.*":
                todo += [f"{module}.{part}" for part in found[module].exported]
        if len(found) >= MAX_FILES:
            problem = f"the script imports {MAX_FILES} of the project's files or more"
            raise ScriptError(problem, hint="copy the few definitions that it needs into it", where=script)


@lru_cache(maxsize=512)  # by content, never by name or time: each file is read every time
def module_names(content: bytes, path: str, module: str) -> Names:
    """Of a module's source. Raises ScriptError."""
    tree = parse_script(content, path)
    package = module if path.endswith("__init__.py") else module.rpartition(".")[0]
    return Names(imports_of(every_node(tree), package), _exported(tree))


def imports_of(nodes: Iterable[ast.AST], package: str = "") -> tuple[str, ...]:
    """package: where relative imports start."""
    found: dict[str, None] = {}
    for node in nodes:
        match node:
            case ast.Import():
                found |= dict.fromkeys(alias.name for alias in node.names)
            case ast.ImportFrom():
                base = _base(node, package)
                found |= dict.fromkeys(f"{base}.{alias.name}" for alias in node.names if base)
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[ast.Constant(value=str(text)), *_]):
                found |= {text: None} if name in ("import_module", "__import__") else {}
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Project:
    """The project's folder (its real path) and the folders in it that imports start from, in sys.path's order."""

    root: str
    import_roots: tuple[str, ...]
    prepended: tuple[str, ...]

    def inside(self, path: str) -> str:
        """The real path's place in the project (POSIX), "" if it is not in the project."""
        real = os.path.realpath(path)
        return real[len(self.root) + 1 :].replace(os.sep, "/") if real.startswith(self.root + os.sep) else ""

    def seal_script(self, place: str) -> SealedFile:
        """place: the script's path in the project (POSIX). Raises ScriptError."""
        return self.seal(os.path.join(self.root, *place.split("/")), "")

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


def project_of(settings: AlembicSettings, root: Path) -> Project:
    configuration = settings.ini or settings.toml
    others = [root, root / "src", *([configuration.parent] if configuration else [])]
    prepended = _inside(settings.prepend_sys_path, root)
    import_roots = dict.fromkeys((*prepended, *_inside(others, root)))
    return Project(os.path.realpath(root), tuple(import_roots), prepended)


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


def _base(node: ast.ImportFrom, package: str) -> str:
    """The absolute name of what is imported from; "" for a relative import beyond the top, which fails when run."""
    if not node.level:
        return node.module or ""
    parents = package.split(".") if package else []
    if len(parents) < node.level:
        return ""
    return ".".join([*parents[: len(parents) - node.level + 1], *([node.module] if node.module else [])])


def _exported(tree: ast.Module) -> tuple[str, ...]:
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List(elts=items) | ast.Tuple(elts=items)):
                return tuple(i.value for i in items if isinstance(i, ast.Constant) and isinstance(i.value, str))
    return ()
