"""The migration scripts of this checkout. Implements the port `Scripts`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from migrate_flow.alembic_adapter.files import read_sealed
from migrate_flow.alembic_adapter.header import read_header
from migrate_flow.alembic_adapter.imports import Project, project_of
from migrate_flow.alembic_adapter.manifest import seal
from migrate_flow.alembic_adapter.outlines import Outlines
from migrate_flow.alembic_adapter.scriptcache import ScriptCache
from migrate_flow.alembic_adapter.scripts import ScriptTree, read_scripts
from migrate_flow.core.revision import manifest_digest
from migrate_flow.errors import ScriptError

if TYPE_CHECKING:
    from migrate_flow.alembic_adapter.settings import AlembicSettings
    from migrate_flow.core.graph import RevisionGraph
    from migrate_flow.core.outline import Outline
    from migrate_flow.core.revision import Manifest, Revision, ScriptProblem


class Checkout:
    """root: the folder of migrate-flow.toml. The headers are read once, the bytes at each call of manifest.

    imports: whether a script whose labels or depends_on are expressions may be executed to read them. cache: of what
    was read before, for commands that only show. Without one everything here comes from bytes that are read now; with
    one, only what `manifest` and `source` give.
    """

    def __init__(
        self, settings: AlembicSettings, root: Path, *, imports: bool = False, cache: ScriptCache | None = None
    ) -> None:
        self.settings = settings
        self.root = root
        self.imports = imports
        self._cache = cache

    @property
    def folder(self) -> Path:
        """Where Alembic is normally run: the folder of its configuration; with Flask-Migrate, the project's."""
        if self.settings.flask:
            return self.root
        file = self.settings.ini or self.settings.toml
        return file.parent if file else self.root

    @cached_property
    def _tree(self) -> ScriptTree:
        found = read_scripts(
            self.settings, self.root, evaluate=self._evaluate if self.imports else None, cache=self._cache
        )
        if self._cache is not None:
            self._cache.save()
        return found

    def confirm(self, revisions: Iterable[str]) -> bool:
        """Whether these are what their bytes say now. Where one is not, all scripts are read from then on: what the
        cache said of the others is worth nothing either."""
        if self._cache is None or all(self._as_its_bytes(self.revisions[revision]) for revision in revisions):
            return True
        self._cache = None
        del self._tree
        return False

    def _as_its_bytes(self, known: Revision) -> bool:
        with suppress(ScriptError):
            evaluate = self._evaluate if self.imports else None
            return read_header(self.source(known.path), known.path, evaluate=evaluate) == known
        return False

    @cached_property
    def _project(self) -> Project:
        return project_of(self.settings, self.root)

    def _evaluate(self, source: bytes, path: str) -> tuple[object, object]:
        """branch_labels and depends_on of a script, by executing it. Raises ScriptError."""
        before = list(sys.path)
        sys.path[:0] = [str(folder) for folder in self.settings.prepend_sys_path]
        try:
            namespace: dict[str, object] = {"__name__": "migration", "__file__": str(self.root / path)}
            exec(compile(source, path, "exec", dont_inherit=True), namespace)  # noqa: S102
        except (Exception, SystemExit) as error:
            raise ScriptError(
                f"importing it fails: {type(error).__name__}: {error}",
                hint="install what the script imports, or write its labels as literals",
                where=path,
            ) from error
        finally:
            sys.path[:] = before
        return namespace.get("branch_labels"), namespace.get("depends_on")

    @property
    def graph(self) -> RevisionGraph:
        return self._tree.graph

    @property
    def revisions(self) -> dict[str, Revision]:
        return self._tree.revisions

    @property
    def problems(self) -> tuple[ScriptProblem, ...]:
        return self._tree.problems

    def manifest(self, revision: str) -> Manifest:
        header = self.revisions.get(revision)
        if header is None:
            raise ScriptError(
                f"{revision} is not in this checkout", hint="check out the branch that holds it", where=revision
            )
        return seal(header, self._project)

    def outlines(self, revisions: Iterable[str]) -> dict[str, Outline | None]:
        """By id, for showing; None for what is not here, or where `manifest` would raise. Unlike manifests, they may
        come from the cache."""
        here = self.revisions
        wanted = {id_: here[id_].path for id_ in revisions if id_ in here}
        return dict(zip(wanted, self._outlines.of(wanted.values()), strict=True))

    @cached_property
    def _outlines(self) -> Outlines:
        return Outlines(self._project, self._cache or ScriptCache(None, self._project.root))

    def digest_alone(self, revision: str) -> str:
        header = self.revisions.get(revision)
        if header is None:
            return ""
        try:
            read = self._cache.sha256(header.path) if self._cache else ""
            return manifest_digest([(header.path, read or sha256(self.source(header.path)).hexdigest())])
        except ScriptError:
            return ""

    def source(self, path: str) -> bytes:
        """One script's bytes, read now; path: relative to the root. Raises ScriptError."""
        return read_sealed(str(self.root / path), path)

    def reread(self) -> Checkout:
        """From the bytes as they are now."""
        return Checkout(self.settings, self.root, imports=self.imports)
