"""Files of a name in the folders below, as a monorepo has them: for messages that say where to go."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

DEPTH, FOLDERS, FOUND = 4, 2_000, 20  # it is a hint: a huge tree is not worth a wait
_NEVER = {"node_modules", "site-packages", "__pycache__", "venv", "build", "dist"}


def below(folder: Path, names: Collection[str]) -> list[Path]:
    """Relative to folder, nearest first, then by name. Links are not followed; what can't be read is passed over."""
    found: list[Path] = []
    level, seen = [folder], 0
    for _depth in range(DEPTH):
        inner: list[Path] = []
        for place in level:
            try:
                entries = sorted(os.scandir(place), key=lambda entry: entry.name)
            except OSError:
                continue
            seen += 1
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if not entry.name.startswith(".") and entry.name not in _NEVER:
                        inner.append(Path(entry.path))
                elif entry.name in names and place != folder:
                    found.append(Path(entry.path).relative_to(folder))
            if seen >= FOLDERS or len(found) >= FOUND:
                return found
        level = inner
    return found


def listed(paths: list[Path], most: int = 5) -> str:
    shown = ", ".join(path.as_posix() for path in paths[:most])
    return f"{shown} and {len(paths) - most} more" if len(paths) > most else shown
