"""The port to the project's history: who wrote which file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from migrate_flow.core.revision import SealedFile


@dataclass(frozen=True, slots=True)
class Author:
    """Somebody who wrote a file. address: in lower case. path: as the file is called now."""

    address: str
    path: str
    co_author: bool = False


@dataclass(frozen=True, slots=True)
class Authorship:
    """Who wrote some files. commit: git's HEAD, if any. dirty: whether a file is not as HEAD has it. problem: why
    (some of) the authors are not known, empty if all are."""

    authors: tuple[Author, ...] = ()
    commit: str = ""
    shallow: bool = False
    dirty: bool = False
    problem: str = ""


class Authors(Protocol):
    """The project's history."""

    def authorship(self, files: Sequence[SealedFile]) -> Authorship:
        """Authors and co-authors, of former names of the files too. Never raises."""
        ...

    def holds(self, path: str) -> bool:
        """Whether a file or folder, relative to the project, is committed. Never raises; False where nobody knows."""
        ...
