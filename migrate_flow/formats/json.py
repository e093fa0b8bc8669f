"""JSON: the document's promised values. Never printed through Rich."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from migrate_flow.core.document import Document
    from migrate_flow.formats import Medium


def render(document: Document, medium: Medium) -> None:
    """ASCII with escapes, so that no locale can change it. Written as it is made: it may be as long as the history."""
    for piece in json.JSONEncoder(indent=2).iterencode(document.values):
        medium.stream.write(piece)
    medium.stream.write("\n")
