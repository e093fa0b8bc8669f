"""The pictures of the terminal are what the command prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs import pictures


@pytest.mark.timeout(600)
def test_each_picture_is_what_is_printed(tmp_path: Path, programs: Path) -> None:
    made = pictures.drawn(tmp_path, programs)
    stored = {path.name: path.read_text(encoding="utf-8") for path in pictures.FOLDER.glob("*.svg")}
    assert sorted(stored) == sorted(made)
    other = [name for name, text in made.items() if stored[name] != text]
    assert other == [], "python -m tests.docs.pictures, and look at them"
    assert not any(
        "http" in text.replace("http://www.w3.org", "").replace("https://www.textualize.io", "")
        for text in made.values()
    )
