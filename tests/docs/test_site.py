"""The site is built without a warning, each page is in its navigation, and no link leads to nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import markdown
import pytest
import yaml

from tests.docs.site import DOCS, LOOSE, ROOT, Page, build, read

HOST = re.compile(r"([a-z0-9-]+\.)+[a-z]{2,}")
_BAR = re.compile(r"^\|.*`[^`]*\\\|[^`]*`")
LIST = re.compile(r"\s*([-*+]|\d+\.) ")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Page]:
    """By file."""
    folder = tmp_path_factory.mktemp("site")
    done = build(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {path: read(path.read_text()) for path in folder.rglob("*.html") if path.name != "404.html"}
    assert len(found) >= len(list(DOCS.rglob("*.md")))
    return found


def test_each_page_is_in_the_navigation_once() -> None:
    listed = list(_listed(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    assert sorted(listed) == sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


def _listed(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    else:
        for item in nav.values() if isinstance(nav, dict) else nav:
            yield from _listed(item)


def test_each_link_leads_somewhere(pages: dict[Path, Page]) -> None:
    flaws = [f"{path.name}: {link}" for path, page in pages.items() for link in page.links if _dead(link, path, pages)]
    assert flaws == []


def _dead(link: str, path: Path, pages: dict[Path, Page]) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return _malformed(link)
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if target.is_dir():
        target /= "index.html"
    if target.suffix != ".html" or not parts.fragment:
        return not target.is_file()
    return target not in pages or unquote(parts.fragment) not in pages[target].ids


def _malformed(link: str) -> bool:
    parts = urlsplit(link)
    return parts.scheme != "https" or HOST.fullmatch(parts.hostname or "") is None or " " in link


@pytest.mark.parametrize(
    "link", ["http://example.com", "https://example", "https:///x", "mailto:ada@example.com", "https://example.com/a b"]
)
def test_a_malformed_address_is_seen(link: str) -> None:
    assert _malformed(link)


def test_a_page_fetches_nothing_from_elsewhere(pages: dict[Path, Page]) -> None:
    fetched = {(path.name, address) for path, page in pages.items() for address in page.fetched}
    assert fetched
    assert [(name, address) for name, address in fetched if urlsplit(address).netloc] == []


@pytest.mark.parametrize("path", LOOSE, ids=lambda path: path.name)
def test_the_links_beside_the_site_lead_somewhere(path: Path) -> None:
    page = _rendered(path)
    assert page.links or path.name == "CONTRIBUTING.md"
    for link in page.links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            assert not _malformed(link), link
            continue
        target = path.parent / parts.path if parts.path else path
        assert target.exists(), link
        assert not parts.fragment or parts.fragment in _rendered(target).ids, link


def _rendered(path: Path) -> Page:
    return read(markdown.markdown(path.read_text(), extensions=["toc", "tables", "pymdownx.superfences"]))


def test_no_bar_in_a_table_is_escaped() -> None:
    """GitHub reads it as a bar, and the site as a backslash where it stands in code."""
    found = [path.name for path in DOCS.rglob("*.md") for line in path.read_text().splitlines() if _BAR.search(line)]
    assert found == []


def test_a_list_begins_behind_an_empty_line() -> None:
    """Markdown as GitHub reads it has a list there, and the site a paragraph with dashes in it."""
    assert [place for path in sorted(DOCS.rglob("*.md")) for place in _glued(path)] == []


def _glued(path: Path) -> Iterator[str]:
    before, fenced = "", False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        fenced ^= line.startswith("```")
        begins = LIST.match(line) or (line.startswith("|") and not before.startswith("|"))
        if begins and not fenced and before.strip() and not LIST.match(before) and not before.startswith(("#", " ")):
            yield f"{path.relative_to(ROOT)}:{number}: {line[:40]}"
        before = line
