"""A scratch database: made for a rehearsal, thrown away after it. Each dialect has its own file beside this one."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import URL

PREFIX = "migrate_flow_scratch_"


def new_name() -> str:
    """It holds the second in which it was made, so that what a killed run left on a server is found a day later."""
    return f"{PREFIX}{int(time.time()):x}_{secrets.token_hex(4)}"


class Scratch(Protocol):
    """Made by `empty` or `fetch`, taken away by `close`. Raises TargetError where the server does not play along.

    url: with its secret. copies: whether copies of it can be kept. exclusive: whether nobody may be connected while it
    is copied.
    """

    @property
    def url(self) -> URL: ...

    @property
    def copies(self) -> bool: ...

    @property
    def exclusive(self) -> bool: ...

    def empty(self) -> None:
        """Start again with nothing in it."""
        ...

    def keep(self) -> None:
        """Remember what is in it now; one copy at a time."""
        ...

    def back(self) -> None:
        """As it was at `keep`."""
        ...

    def store(self, key: str) -> None:
        """Keep a copy for later runs, as the template of this key. What does not work is left undone."""
        ...

    def fetch(self, keys: Sequence[str]) -> int:
        """Start from the first of these templates that is there, and say which; -1 for none."""
        ...

    def close(self) -> None:
        """Take it away, kept copies too; templates stay."""
        ...
