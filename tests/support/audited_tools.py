"""What the audited project's team works with: as real as the product's own, only without a process for each act."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from migrate_flow.alembic_adapter.checkout import Checkout
from migrate_flow.alembic_adapter.render import render
from migrate_flow.alembic_adapter.runner import AlembicRunner
from migrate_flow.alembic_adapter.sealed import execute, sealed_imports
from migrate_flow.core.finding import Finding, Severity
from migrate_flow.core.rehearsal import Grade
from migrate_flow.core.revision import Manifest, SealedFile
from migrate_flow.services.evidence import Checked
from migrate_flow.services.ports import Authors, Authorship, RenderedSql
from tests.support.unchecked import Unchecked


class Scripts(Checkout):
    """Reads a script again only where its file changed."""

    _kept: dict[str, tuple[object, Manifest]] | None = None

    def manifest(self, revision: str) -> Manifest:
        self._kept = {} if self._kept is None else self._kept
        status = (self.root / self.revisions[revision].path).stat() if revision in self.revisions else None
        stamp = (status.st_mtime_ns, status.st_size) if status else None
        known = self._kept.get(revision)
        if known is None or known[0] != stamp:
            known = self._kept[revision] = (stamp, super().manifest(revision))
        return known[1]

    def reread(self) -> Scripts:
        fresh = Scripts(self.settings, self.root, imports=self.imports)
        fresh._kept = self._kept
        return fresh


class Runner(AlembicRunner):
    """The real one, but for the child process that renders."""

    def render(self, manifest: Manifest, dialect: str) -> RenderedSql:
        root = self.checkout.root
        with sealed_imports([manifest], root):
            module = execute(manifest.script.content, str(root / manifest.script.path), "migration")
            return RenderedSql(render(module, "upgrade", dialect), render(module, "downgrade", dialect), "")


@dataclass
class Remembered:
    """Implements `Authors`: what git said of a script's bytes, asked once for all that are new."""

    git: Authors
    _said: dict[tuple[str, str], Authorship] = field(default_factory=dict)

    def learn(self, files: Sequence[SealedFile]) -> None:
        told = self.git.authorship(files)
        for file in files:
            own = tuple(author for author in told.authors if author.path == file.path)
            self._said[file.path, file.sha256] = replace(told, authors=own)

    def authorship(self, files: Sequence[SealedFile]) -> Authorship:
        if any((file.path, file.sha256) not in self._said for file in files):
            self.learn(files)
        said = [self._said[file.path, file.sha256] for file in files]
        return replace(said[0], authors=tuple(author for one in said for author in one.authors))

    def holds(self, path: str) -> bool:
        return self.git.holds(path)


@dataclass(frozen=True)
class Found(Unchecked):
    """Checks that find what they are told to: a lint error, or rows that a downgrade can't bring back."""

    broken: bool = False
    lossy: bool = False

    def these(self, *given: Any, **more: Any) -> Generator[Any, None, Checked]:
        checked = yield from super().these(*given, **more)
        linted, rehearsed = checked.linted, checked.rehearsed
        if self.broken:
            found = [
                Finding(
                    "drop-column", Severity.ERROR, revision, rehearsed.paths[revision], 20, "=1+1 is lost", "keep it"
                )
                for revision in linted.revisions
            ]
            linted = replace(linted, findings=tuple(found))
        if self.lossy:
            lost = tuple(replace(one, grade=Grade.LOSSY, lost=("table area",)) for one in rehearsed.rehearsals)
            rehearsed = replace(rehearsed, rehearsals=lost)
        return Checked(linted, rehearsed)
