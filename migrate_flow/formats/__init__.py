"""Formats: each file here renders a document. A new format is a new file with a `render` and a `NAME`."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from migrate_flow.errors import UsageError

if TYPE_CHECKING:
    from migrate_flow.core.document import Document


@dataclass(frozen=True, slots=True)
class Medium:
    """Where a document goes. width: columns, 0 for no limit. color: whether escape sequences are wanted."""

    stream: TextIO
    width: int = 0
    color: bool = False


def render(document: Document, name: str, medium: Medium) -> None:
    """Raises UsageError for a format that does not exist."""
    own = name.isidentifier() and not name.startswith("_")
    if not own or importlib.util.find_spec(f"{__name__}.{name}") is None:
        import pkgutil

        known = [info.name for info in pkgutil.iter_modules(__path__) if not info.name.startswith("_")]
        raise UsageError(f"there is no format {name!r}", hint=f"one of: {', '.join(sorted(known))}", where="--format")
    importlib.import_module(f"{__name__}.{name}").render(document, medium)
