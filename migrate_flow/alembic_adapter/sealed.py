"""Alembic's script directory over sealed bytes: what runs is compiled from exactly what was hashed.

Nothing is read from the disk here but env.py, and no `.pyc` is ever trusted. Only the script that runs is loaded.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from alembic import util
from alembic.config import Config
from alembic.runtime.migration import MigrationStep
from alembic.script import ScriptDirectory
from alembic.script import revision as alembic_revision
from alembic.script.base import Script

from migrate_flow.core.canonical import sha256
from migrate_flow.errors import ScriptError

if TYPE_CHECKING:
    from migrate_flow.core.graph import RevisionGraph
    from migrate_flow.core.revision import Manifest, Revision, SealedFile


class SealedScript(Script):
    """A revision from its header; the module exists only for scripts whose bytes were sealed for this run."""

    def __init__(self, header: Revision, sealed: SealedFile | None, root: Path) -> None:
        self.path = str(root / header.path)
        self._root = root
        self._sealed = sealed
        self._module: types.ModuleType | None = None
        alembic_revision.Revision.__init__(
            self,
            header.id,
            util.to_tuple(header.down_revision or None, default=None),
            branch_labels=util.to_tuple(header.branch_labels, default=()),
            dependencies=util.to_tuple(header.depends_on, default=()),
        )

    @property
    def module(self) -> types.ModuleType:  # type: ignore[override]
        if self._module is None:
            if self._sealed is None:
                raise ScriptError(
                    f"{self.revision} was asked for, but is no part of this plan", hint="migrate-flow plan"
                )
            name = "migration_" + "".join(c if c.isalnum() else "_" for c in self.revision)
            with only_sealed(self._root):
                module = execute(self._sealed.content, self.path, name)
            if getattr(module, "revision", None) != self.revision:
                raise ScriptError(
                    f"the script says revision = {self.revision!r}, and changes it while it is loaded",
                    hint="let revision be a literal, assigned once",
                    where=self._sealed.path,
                )
            self._module = module
        return self._module

    @property
    def longdoc(self) -> str:
        return ""


class SealedDirectory(ScriptDirectory):
    """ScriptDirectory whose revisions come from headers, and whose env.py is compiled from bytes that were read once.

    graph: the same revisions as in Alembic's map, which is made only where somebody asks for it: it takes as long as
    everything else of a step together. made: scripts by id, for both. digests: of env.py and of Alembic's
    configuration, as they run.
    """

    env_py: bytes
    digests: dict[str, str]
    graph: RevisionGraph
    make: Callable[[Revision], SealedScript]
    made: dict[str, SealedScript]

    def upgrade_steps(self, revision: str, heads: tuple[str, ...]) -> list[Any]:
        """Everything up to a revision, as Alembic's planner has it."""
        # The one private call into Alembic's planner lives here and nowhere else.
        return list(self._upgrade_revs(revision, heads))  # type: ignore[arg-type]

    def next_step(self, revision: str, heads: tuple[str, ...]) -> list[Any]:
        """As `upgrade_steps`, where one step is expected. Alembic is asked only where branches meet or depend on each
        other: what becomes of the version table's rows is its own to say there."""
        header = self.graph.revisions.get(revision)
        if header is None or header.depends_on or len(header.down_revision) > 1 or not self._is_next(header, heads):
            return self.upgrade_steps(revision, heads)
        return [MigrationStep.upgrade_from_script(self.revision_map, self._alone(header))]

    def _is_next(self, header: Revision, heads: tuple[str, ...]) -> bool:
        if set(header.down_revision) == set(heads):
            return True
        if not self.graph.revisions.keys() >= set(heads):
            return False  # Alembic says what it thinks of an unknown row
        applied = self.graph.applied_from(heads)
        return header.id not in applied and applied.issuperset(header.down_revision)

    def _alone(self, header: Revision) -> SealedScript:
        script = self.script_of(header)
        # What the map would find for a revision without depends_on.
        script._resolved_dependencies = script._normalized_resolved_dependencies = ()
        return script

    def script_of(self, header: Revision) -> SealedScript:
        """The same object whoever asks: a script is executed once."""
        if header.id not in self.made:
            self.made[header.id] = self.make(header)
        return self.made[header.id]

    def run_env(self) -> None:
        execute(self.env_py, str(Path(self.dir, "env.py")), "env_py")


def execute(source: bytes, path: str, name: str) -> types.ModuleType:
    """Run source as a module that is in nobody's cache."""
    module = types.ModuleType(name)
    module.__file__ = path
    exec(_compiled(source, path), module.__dict__)  # noqa: S102
    return module


@lru_cache(maxsize=4)
def _compiled(source: bytes, path: str) -> types.CodeType:
    """Of these very bytes: env.py runs once for each step."""
    return compile(source, path, "exec", dont_inherit=True)


def script_directory(
    config: Config, graph: RevisionGraph, manifests: Sequence[Manifest], root: Path, configuration: str
) -> SealedDirectory:
    """An Alembic script directory that loads nothing by itself. configuration: the digest of Alembic's."""
    sealed = {manifest.script.path: manifest.script for manifest in manifests}

    def load() -> Iterator[SealedScript]:
        for header in graph.revisions.values():
            yield directory.script_of(header)

    # NOTE: from_config hard-codes the class, and the map binds its loader when it is made.
    plain = ScriptDirectory.from_config(config)
    plain.__class__ = SealedDirectory
    directory = cast(SealedDirectory, plain)
    directory.revision_map = alembic_revision.RevisionMap(load)
    directory.graph, directory.made = graph, {}
    directory.make = lambda header: SealedScript(header, sealed.get(header.path), root)
    directory.env_py = Path(directory.dir, "env.py").read_bytes()
    directory.digests = {"env.py": sha256(directory.env_py), "configuration": configuration}
    return directory


class SealedFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the project-local modules of the manifests from their sealed bytes."""

    def __init__(self, files: Mapping[str, SealedFile], root: Path) -> None:
        self._files, self._root = files, root

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        file = self._files.get(fullname)
        if file is None:
            return None
        origin = self._root / file.path
        package = origin.name == "__init__.py"
        spec = ModuleSpec(fullname, self, origin=str(origin), is_package=package)
        spec.has_location = True
        if package:
            spec.submodule_search_locations = [str(origin.parent)]
        return spec

    def exec_module(self, module: types.ModuleType) -> None:
        file = self._files[module.__name__]
        exec(compile(file.content, str(self._root / file.path), "exec", dont_inherit=True), module.__dict__)  # noqa: S102


class _Refuser(importlib.abc.MetaPathFinder):
    """Refuses modules of the project that are not sealed: what nobody reviewed must not run with what was."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        origin = spec.origin if spec is not None else None
        if origin is None or fullname.partition(".")[0] == "migrate_flow" or not _of_project(origin, self._root):
            return None
        raise ScriptError(
            f"the script imports {fullname} in a way that can't be read from its text, so nobody reviewed it",
            hint=f"write the import out (import {fullname}), then self-review it again",
            where=str(Path(origin).relative_to(self._root)),
        )


@contextmanager
def only_sealed(root: Path) -> Iterator[None]:
    """While a migration script is loaded or runs: it imports its own sealed modules, or installed packages."""
    refuser = _Refuser(root)
    sys.meta_path.insert(1, refuser)  # behind the sealed ones
    try:
        yield
    finally:
        sys.meta_path.remove(refuser)


def _of_project(origin: str, root: Path) -> bool:
    installed = {".venv", "venv", ".tox", ".nox", "site-packages", "dist-packages"}
    path = Path(origin)
    return path.is_relative_to(root) and not installed & set(path.relative_to(root).parts)


@contextmanager
def sealed_imports(manifests: Sequence[Manifest], root: Path) -> Iterator[None]:
    """Serve the manifests' modules from sealed bytes, and leave no module of the project behind."""
    files: dict[str, SealedFile] = {}
    for file in (file for manifest in manifests for file in manifest.files if file.module):
        known = files.setdefault(file.module, file)
        if known.sha256 != file.sha256:
            raise ScriptError(f"{file.path} changed while it was read", hint="run the command again", where=file.path)
    finder = SealedFinder(files, root)
    before, path_before = set(sys.modules), list(sys.path)
    for name in files:
        sys.modules.pop(name, None)
    importlib.invalidate_caches()  # a relative entry of sys.path, as Alembic's ".", may have meant another folder
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        sys.path[:] = path_before
        for name in [n for n in set(sys.modules) - before if _inside(sys.modules[n], root)]:
            del sys.modules[name]


def _inside(module: Any, root: Path) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and Path(file).is_relative_to(root) and "site-packages" not in file
