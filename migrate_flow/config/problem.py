"""What is wrong with a file, as data; and one ConfigError out of all of it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from migrate_flow.errors import ConfigError

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_LISTED = 3


@dataclass(frozen=True, slots=True)
class Problem:
    """at: the key path, such as ``("environments", "dev", "upstream", 0)``. message: without the path, and never
    with a value that could be a secret."""

    at: tuple[str | int, ...]
    message: str
    hint: str


def key_path(at: Sequence[str | int]) -> str:
    """As TOML would write it: ``people."ada@example.com".keys[0]``."""
    text = ""
    for part in at:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{shown(part)}" if text else shown(part)
    return text


def shown(key: str) -> str:
    """A key for a message: bare or quoted. A URL or a private key in the wrong place is not repeated."""
    if "://" in key or "PRIVATE KEY" in key or len(key) > 80:
        return '"…"'
    return key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def failure(path: Path, problems: Sequence[Problem]) -> ConfigError:
    """The first problem as an error, which counts and lists the others."""
    first, *others = problems
    message = f"{key_path(first.at)}: {first.message}"
    if others:
        listed = [f"{key_path(other.at)}: {other.message}" for other in others[:_LISTED]]
        if len(others) > _LISTED:
            listed.append("…")
        message += f" (and {len(others)} more {'problem' if len(others) == 1 else 'problems'}: {'; '.join(listed)})"
    return ConfigError(message, hint=first.hint, where=f"{path}: {key_path(first.at)}")
