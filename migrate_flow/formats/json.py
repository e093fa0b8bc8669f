"""JSON: the document's promised values. Never printed through Rich."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from migrate_flow.core.document import Members

if TYPE_CHECKING:
    from migrate_flow.core.document import Document
    from migrate_flow.formats import Medium


IN_MEMORY = 8 << 20  # bytes; a longer one takes a file


def render(document: Document, medium: Medium) -> None:
    """ASCII with escapes, so that no locale can change it. All or nothing, also where it is made part by part."""
    parts = document.parts
    if not any(isinstance(value, Members) for value in parts.values()):
        medium.stream.write(json.dumps(parts, indent=2) + "\n")
        return
    import shutil
    import tempfile

    with tempfile.SpooledTemporaryFile(IN_MEMORY, "w+", encoding="ascii") as whole:
        for number, (name, value) in enumerate(parts.items()):
            whole.write(f"{',' if number else '{'}\n  {json.dumps(name)}: ")
            whole.writelines(_members(value) if isinstance(value, Members) else [_indented(value, 2)])
        whole.write("\n}\n")
        whole.seek(0)
        shutil.copyfileobj(whole, medium.stream)


def _members(values: Iterable[Any]) -> Iterator[str]:
    """As `json.dumps` writes a list of the outermost object."""
    number = 0
    for number, value in enumerate(values, start=1):
        yield f"{',' if number > 1 else '['}\n    {_indented(value, 4)}"
    yield "\n  ]" if number else "[]"


def _indented(value: Any, columns: int) -> str:
    return json.dumps(value, indent=2).replace("\n", "\n" + " " * columns)
