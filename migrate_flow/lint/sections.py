"""The sections of a migration's docstring: ``Rationale: …`` at the start of a line, or a title with a line under it."""

from __future__ import annotations

import re

_TITLE = re.compile(r"([A-Z][\w'/-]*(?: [\w'/-]+){0,3}|rationale|why|rollback|contract mapping) ?:(?:[ \t]+(.*))?")
_PLAIN_TITLE = re.compile(r"[A-Za-z][\w'/-]*(?: [\w'/-]+){0,3}")
_UNDERLINE = re.compile(r"(-{3,}|={3,}|~{3,})")


def sections(doc: str) -> dict[str, str]:
    """By lower-case title without the colon; what stands above the first title is in none. Of two sections with one
    title, the texts are joined."""
    found: dict[str, list[str]] = {}
    lines = [line.strip() for line in doc.splitlines()]
    current: list[str] | None = None
    number = 0
    while number < len(lines):
        line, after = lines[number], lines[number + 1] if number + 1 < len(lines) else ""
        if title := _TITLE.fullmatch(line):
            current = found.setdefault(title[1].lower(), [])
            current.append(title[2] or "")
        elif number and _UNDERLINE.fullmatch(after) and _PLAIN_TITLE.fullmatch(line):
            current = found.setdefault(line.lower(), [])
            number += 1
        elif current is not None:
            current.append(line)
        number += 1
    return {title: "\n".join(text).strip() for title, text in found.items()}
