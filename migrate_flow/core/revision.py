"""A revision as its script declares it, and the sealed bytes that attestations bind to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from migrate_flow.core.traits import Traits


@dataclass(frozen=True, slots=True)
class Revision:
    """What a migration script's header says, read without running it.

    depends_on: as written, revision ids or branch labels. doc: the whole module docstring.
    path: POSIX, relative to the project root (the folder of migrate-flow.toml).
    """

    id: str
    down_revision: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    branch_labels: tuple[str, ...] = ()
    doc: str = ""
    path: str = ""

    @property
    def message(self) -> str:
        """First line of the docstring, as Alembic shows it."""
        return self.doc.strip().split("\n", 1)[0].strip()


@dataclass(frozen=True, slots=True)
class ScriptProblem:
    """A file in a version location that can't be used, and why. line is 0 where it is not known.

    rule: the lint rule that speaks of it, empty for `unusable-script`.
    """

    path: str
    line: int
    problem: str
    hint: str
    revision: str = ""
    rule: str = ""


@dataclass(frozen=True, slots=True)
class SealedFile:
    """A source file and the digest of exactly these bytes. path: POSIX, relative to the project root."""

    path: str
    content: bytes
    sha256: str
    module: str = ""  # dotted import name, empty for the migration script itself

    @staticmethod
    def seal(path: str, content: bytes, module: str = "") -> SealedFile:
        return SealedFile(path, content, hashlib.sha256(content).hexdigest(), module)


@dataclass(frozen=True)
class Manifest:
    """The migration script and the project-local modules that it imports, as sealed bytes.

    files: the script first. digest: ``sha256:`` and the hex digest of ``lines``, which ``sha256sum -c`` checks.
    behaviour: tagged digest of the script's syntax tree without comments and docstrings. traits: by direction, those
    that were read of these very bytes so far.
    """

    files: tuple[SealedFile, ...]
    behaviour: str = field(default="", compare=False)
    traits: dict[str, Traits] = field(default_factory=dict, init=False, compare=False, repr=False)

    @property
    def script(self) -> SealedFile:
        return self.files[0]

    @property
    def digests(self) -> tuple[tuple[str, str], ...]:
        """(path, hex) of each file."""
        return tuple((file.path, file.sha256) for file in self.files)

    @cached_property
    def lines(self) -> bytes:
        return manifest_lines(self.digests)

    @property
    def in_blocks(self) -> bool:
        """Whether the text speaks of autocommit blocks, so that a part of it commits before the end."""
        return any(b"autocommit_block" in file.content for file in self.files)

    @cached_property
    def digest(self) -> str:
        return manifest_digest(self.digests)


def manifest_digest(files: Iterable[tuple[str, str]]) -> str:
    """``sha256:`` and the hex digest of the manifest's lines. files: (path, hex)."""
    return "sha256:" + hashlib.sha256(manifest_lines(files)).hexdigest()


def manifest_lines(files: Iterable[tuple[str, str]]) -> bytes:
    """``sha256  path`` a line, sorted by path: the form that ``sha256sum -c`` reads. files: (path, hex)."""
    return "".join(f"{sha256}  {path}\n" for path, sha256 in sorted(files)).encode()
