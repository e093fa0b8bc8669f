"""What a check found in a script, and how bad it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """error: the flow refuses. warning, info: shown. off: not even looked for."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing in one place. path: POSIX, relative to the project root. line: 0 where it has none.

    reason: why it is waived, empty if it is not. needs_rehearsal: only running shows whether it is so.
    """

    rule: str
    severity: Severity
    revision: str
    path: str
    line: int
    message: str
    hint: str
    reason: str = ""
    needs_rehearsal: bool = False

    @property
    def waived(self) -> bool:
        return bool(self.reason)

    @property
    def refuses(self) -> bool:
        return self.severity is Severity.ERROR and not self.waived
