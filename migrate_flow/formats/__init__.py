"""Formats: each file here renders a document. A new one is a file with a `render`, and its name below."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from migrate_flow.errors import UsageError

if TYPE_CHECKING:
    from migrate_flow.core.document import Document


FORMATS = ("table", "json")  # of every command that reports
FORMATS_OF_FINDINGS = ("sarif", "github", "gitlab", "junit")  # of those that report findings, beside the others


@dataclass(frozen=True, slots=True)
class Medium:
    """Where a document goes. width: columns, 0 for no limit. color: whether escape sequences are wanted."""

    stream: TextIO
    width: int = 0
    color: bool = False


def known(*, findings: bool = False) -> tuple[str, ...]:
    """findings: whether the command reports some."""
    return (*FORMATS, *FORMATS_OF_FINDINGS) if findings else FORMATS


def require(name: str, *, findings: bool = False) -> None:
    """Raises UsageError."""
    if name not in known(findings=findings):
        listed = ", ".join(known(findings=findings))
        raise UsageError(f"there is no format {name!r}", hint=f"one of: {listed}", where="--format")


def render(document: Document, name: str, medium: Medium) -> None:
    """Raises UsageError for a format that does not exist."""
    require(name, findings=True)
    importlib.import_module(f"{__name__}.{name}").render(document, medium)
