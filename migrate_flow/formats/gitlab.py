"""GitLab's code quality report. Source: GitLab's "Code Quality report format", a subset of Code Climate's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from migrate_flow.core.results import results

if TYPE_CHECKING:
    from migrate_flow.core.document import Document
    from migrate_flow.formats import Medium

_SEVERITIES = {"error": "critical", "warning": "minor", "info": "info"}


def render(document: Document, medium: Medium) -> None:
    found = [
        {
            "description": f"{one.message}. Fix: {one.hint}" if one.hint else one.message,
            "check_name": one.rule,
            "fingerprint": one.fingerprint,
            "severity": _SEVERITIES[one.severity],
            "location": {"path": one.path or ".", "lines": {"begin": one.line or 1}},
        }
        for one in results(document, "gitlab")
        if not one.reason
    ]
    medium.stream.write(json.dumps(found, indent=2) + "\n")
