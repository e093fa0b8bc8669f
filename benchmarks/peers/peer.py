"""What the harness asks of a tool."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.inputs import Change
from benchmarks.measure import Workspace
from benchmarks.targets import Target


@dataclass(frozen=True, slots=True)
class Job:
    """count changes, to be applied from an empty database; folder: the tool's project, empty before `write`."""

    space: Workspace
    folder: Path
    target: Target
    changes: Sequence[Change]


@dataclass(frozen=True, slots=True)
class Peer:
    """write: makes the project, unmeasured; apply: the measured command, which applies all changes.

    install: the command that brings what is missing; programs: must be found; version: asked of the tool itself.
    """

    name: str
    install: str
    programs: Sequence[str]
    version: Callable[[Workspace], str]
    write: Callable[[Job], None]
    apply: Callable[[Job], Sequence[str]]
    environ: Callable[[Target], Mapping[str, str]] = field(default=lambda target: {})

    def missing(self, space: Workspace) -> list[str]:
        return [program for program in self.programs if space.find(program) is None]
