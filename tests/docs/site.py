"""The documentation as it is built: pages, what they refer to, and the places that can be referred to."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
# Beside the site, on the page of the repository.
LOOSE = tuple(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md"))
# What a browser fetches by itself.
_FETCHED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "object": "data"}


@dataclass
class Page(HTMLParser):
    """What one HTML page refers to (links), fetches, and can be referred to by (ids)."""

    links: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if name := values.get("id"):
            self.ids.add(name)
        if tag == "a" and (href := values.get("href")) is not None:
            self.links.append(href)
        elif tag in _FETCHED and (address := values.get(_FETCHED[tag])):
            self.fetched.append(address)


def read(html: str) -> Page:
    page = Page()
    page.feed(html)
    return page


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    """As CI builds it; every warning is an error (not with --quiet: then none is counted)."""
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},  # an announcement, on stderr
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
