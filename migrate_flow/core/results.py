"""What a check's document holds, as the formats of CI systems see it: one flat list of results."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from migrate_flow.errors import UsageError

if TYPE_CHECKING:
    from migrate_flow.core.document import Document

REHEARSAL = "rehearsal"


@dataclass(frozen=True, slots=True)
class Result:
    """severity: error, warning or info. path: relative to the project's folder, empty where there is none. line: 0
    where there is none. reason: why it is waived, empty if it is not. nth: of several that differ by their line alone.
    """

    rule: str
    severity: str
    revision: str
    path: str
    line: int
    message: str
    hint: str
    reason: str = ""
    nth: int = 0

    @property
    def fingerprint(self) -> str:
        """The same as long as the finding is: without the line, which moves. No two of one report have the same."""
        said = [self.rule, self.revision, self.path, self.message, *([str(self.nth)] if self.nth else [])]
        return hashlib.sha256("\0".join(said).encode(errors="backslashreplace")).hexdigest()


def results(document: Document, name: str) -> list[Result]:
    """Raises UsageError for a document that has none."""
    if "findings" not in document.data:
        raise UsageError(
            f"the format {name} is for findings", hint="one of: json, table; or migrate-flow check", where="--format"
        )
    met: Counter[tuple[str, ...]] = Counter()
    told = []
    for one in (*_findings(document.data["findings"]), *_rehearsals(document.data["rehearsals"])):
        same = one.rule, one.revision, one.path, one.message
        told.append(replace(one, nth=met[same]))
        met[same] += 1
    return told


def _findings(found: list[dict[str, Any]]) -> Iterator[Result]:
    for one in found:
        yield Result(
            one["rule"], one["severity"], one["revision"], one["path"], one["line"], one["message"], one["hint"],
            (one["reason"] or "waived") if one["waived"] else "",
        )  # fmt: skip


def _rehearsals(found: list[dict[str, Any]]) -> Iterator[Result]:
    """Those that did not go well."""
    for one in found:
        if one["grade"] in ("lossless", "lossy"):
            continue
        where = f"{one['revision']} on {one['dialect']}"
        objects = ", ".join(difference["object"] for difference in one["differences"][:5])
        message = f"{where}: {one['error'] or one['grade']}" + (f" ({objects})" if objects else "")
        hint = f"migrate-flow rehearse {one['revision']}"
        reason = "the policy accepts it" if one.get("accepted") else ""
        yield Result(f"{REHEARSAL}/{one['grade'] or 'failed'}", "error", one["revision"], one.get("path", ""), 1,
                     message, hint, reason)  # fmt: skip
