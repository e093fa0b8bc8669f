"""JSON: the document's promised values. Never printed through Rich."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from migrate_flow.core.document import Document
    from migrate_flow.formats import Medium


def render(document: Document, medium: Medium) -> None:
    """ASCII with escapes, so that no locale can change it."""
    medium.stream.write(json.dumps(document.values, indent=2) + "\n")
