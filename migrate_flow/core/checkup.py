"""What `doctor` finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Check:
    """state: ``ok``, ``warning`` or ``problem``. hint: what mends it. will: what `doctor --fix` would do about it, in
    words; empty where that is for a person to decide. mend: does so; raises OSError."""

    area: str
    state: str
    message: str
    hint: str = ""
    will: str = ""
    mend: Callable[[], None] | None = field(default=None, compare=False, repr=False)
