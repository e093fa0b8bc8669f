"""The manifest: a migration script and the project's own modules that it imports, as bytes read now."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from migrate_flow.alembic_adapter.header import parse_script
from migrate_flow.alembic_adapter.imports import Names, Project, follow, imports_of, module_names, project_of
from migrate_flow.core.behaviour import every_node, tree_digest
from migrate_flow.core.canonical import sha256
from migrate_flow.core.revision import Manifest, Revision, SealedFile
from migrate_flow.errors import ScriptError

if TYPE_CHECKING:
    from migrate_flow.alembic_adapter.settings import AlembicSettings


def read_manifest(revision: Revision, settings: AlembicSettings, root: Path) -> Manifest:
    """Seal the script and every project-local module that it imports, directly or through others.

    root: the folder of migrate-flow.toml. Raises ScriptError for a file that can't be read, is no Python source,
    is over 1 MiB, lies outside the project or exists only in compiled form, for more than 2,000 files, and for a
    script that defines no upgrade().
    """
    return seal(revision, project_of(settings, root))


def seal(revision: Revision, project: Project) -> Manifest:
    """As `read_manifest`, for many of one project."""
    script = project.seal_script(revision.path)
    tree = parse_script(script.content, script.path)
    nodes = every_node(tree)
    require_upgrade(nodes, script.path)
    modules: list[SealedFile] = []

    def read(path: str, module: str) -> Names:
        file = project.seal(path, module)
        modules.append(file)
        return module_names(file.content, file.path, module)

    follow(project, imports_of(nodes), script.path, read)
    behaviour = with_modules(tree_digest(tree, nodes), ((file.path, file.sha256) for file in modules))
    return Manifest((script, *sorted(modules, key=lambda f: (f.path, f.module))), behaviour)


def with_modules(script: str, modules: Iterable[tuple[str, str]]) -> str:
    """The script's behaviour and, where it imports modules, their very bytes: what they do it may do.

    modules: (path, hex).
    """
    lines = sorted(f"{digest}  {path}" for path, digest in modules)
    if not lines:
        return script
    return "ast1+modules:" + sha256("\n".join([script, *lines]).encode())


def require_upgrade(nodes: Iterable[ast.AST], path: str) -> None:
    """Alembic would find out while it runs: here nothing has begun yet."""
    for node in nodes:
        match node:
            case ast.FunctionDef(name="upgrade") | ast.Name(id="upgrade", ctx=ast.Store()):
                return
            case ast.alias(name=name, asname=asname) if (asname or name) in ("upgrade", "*"):
                return
    raise ScriptError("the script has no upgrade()", hint="def upgrade() -> None: …", where=path)
