"""The migration scripts of this checkout. Implements the port `Scripts`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
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
from migrate_flow.alembic_adapter.scriptcache import ScriptCache, Whole
from migrate_flow.alembic_adapter.scripts import Listed, ScriptTree, list_scripts, read_scripts
from migrate_flow.core.drawers import Drawers
from migrate_flow.core.graph import RevisionGraph
from migrate_flow.core.revision import manifest_digest
from migrate_flow.errors import ScriptError

if TYPE_CHECKING:
    from migrate_flow.alembic_adapter.settings import AlembicSettings
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
    def _files(self) -> list[Listed]:
        return list(list_scripts(self.settings, self.root))

    @cached_property
    def _whole(self) -> Whole | None:
        """What came of all scripts together, where none of them changed since."""
        if self._cache is None or any(error or entry is None for _path, error, entry in self._files):
            return None
        found = self._cache.whole([(path, entry) for path, _error, entry in self._files if entry is not None])
        if found is not None and not self._outlines.still(found.behind):
            self._cache.distrust()
            return None
        return found

    @cached_property
    def _tree(self) -> ScriptTree:
        evaluate = self._evaluate if self.imports else None
        found = read_scripts(self.settings, self.root, evaluate=evaluate, cache=self._cache, files=self._files)
        if self._cache is not None:
            self._cache.save()
        return found

    def confirm(self, revisions: Iterable[str]) -> bool:
        """Whether these are what their bytes say now. Where one is not, all scripts are read from then on: what the
        cache said of the others is worth nothing either."""
        if self._cache is None or all(self._as_its_bytes(self.revisions[revision]) for revision in revisions):
            return True
        self._cache = None
        for said in ("_whole", "_tree", "revisions", "graph", "order", "digests", "_outlines"):
            self.__dict__.pop(said, None)
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

    @cached_property
    def graph(self) -> RevisionGraph:
        return RevisionGraph(self.revisions.values()) if self._whole else self._tree.graph

    @cached_property
    def revisions(self) -> Mapping[str, Revision]:
        cache, whole = self._cache, self._whole
        if cache is None or whole is None:
            return self._tree.revisions
        paths = {id_: file[0] for id_, file in zip(whole.ids, self._files, strict=True)}
        return Drawers(lambda: paths, lambda _id, path: cache.revision(path))

    @property
    def problems(self) -> tuple[ScriptProblem, ...]:
        return () if self._whole else self._tree.problems

    @cached_property
    def order(self) -> tuple[str, ...]:
        return tuple(self._whole.order) if self._whole else self.graph.order()

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
        found = self._outlined([id_ for id_ in revisions if id_ in self.revisions])
        if self._cache:
            self._cache.save()
        return found

    def _outlined(self, ids: Sequence[str]) -> dict[str, Outline | None]:
        here = self.revisions
        return dict(zip(ids, self._outlines.of(here[id_].path for id_ in ids), strict=True))

    @cached_property
    def digests(self) -> Mapping[str, str]:
        """Of the manifests of all that is here, for showing; empty where `manifest` would raise."""
        if self._whole:
            return dict(zip(self._whole.ids, self._whole.digests, strict=True))
        found = {id_: outline.digest if outline else "" for id_, outline in self._outlined([*self.revisions]).items()}
        if self._cache:
            sound = not self.problems and len(found) == len(self._files)
            whole = Whole("", [*found], [*self.order], [*found.values()], self._outlines.behind())
            self._cache.save(whole if sound else None)
        return found

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
