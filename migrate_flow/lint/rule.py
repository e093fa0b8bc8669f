"""What a rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from migrate_flow.core.finding import Severity

if TYPE_CHECKING:
    from migrate_flow.lint.script import Script


class Group(StrEnum):
    """Where the documentation lists a rule."""

    DOCUMENTATION = "documentation"
    REVERSIBILITY = "reversibility"
    GRAPH = "graph"
    STYLE = "style"
    SAFETY = "safety"


@dataclass(frozen=True, slots=True)
class Hit:
    """line: in the script, 0 for the file as a whole. hint: what to write instead, in the script's own names.

    needs_rehearsal: the syntax tree can't tell; only a rehearsal can.
    """

    line: int
    message: str
    hint: str
    needs_rehearsal: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """slug: its name in output, configuration and waivers. check: a pure function of one script.

    dialects: where it means something, empty for everywhere; a script is checked if one of the project's dialects is
    among them. severities: by dialect, where they differ from `severity`; the worst of the project's dialects counts.
    waivable: whether a comment with a reason passes it. unsure: of hits that need a rehearsal, where that is less than
    the severity otherwise. settled_by_running: whether a rehearsal that restores the schema answers such a hit.
    """

    slug: str
    group: Group
    check: Callable[[Script], Iterable[Hit]]
    severity: Severity = Severity.ERROR
    severities: Mapping[str, Severity] = field(default_factory=dict)
    dialects: frozenset[str] = frozenset()
    waivable: bool = True
    unsure: Severity | None = None
    settled_by_running: bool = False
