"""Text for cells: nothing that a spreadsheet would calculate, and no character that can't be seen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from migrate_flow.core.text import safe

if TYPE_CHECKING:
    from migrate_flow.core.audit import Act, Checked

# What begins a formula for some spreadsheet, the full-width forms too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
_BEGINNINGS = frozenset("".join(_FORMULA) + " ")  # some programs take no notice of spaces
JOINED = "; "


def plain(text: str) -> str:
    """One line, without control and direction characters. The same with every Python, whatever it takes for printable
    beyond ASCII: `verify` writes it again."""
    if text.isascii() and text.isprintable():
        return text
    return safe(" ".join(text.split()))


def neutral(text: str) -> str:
    """As `plain`, with an apostrophe before what a spreadsheet would take for a formula."""
    if not text:
        return text
    if not (text.isascii() and text.isprintable()):
        text = plain(text)
    return "'" + text if text[:1] in _BEGINNINGS and text.lstrip(" ").startswith(_FORMULA) else text


def yes_no(value: bool | None) -> str:
    return "" if value is None else "yes" if value else "no"


def joined(texts: Iterable[str]) -> str:
    """What stands between two of them is in none of them."""
    return JOINED.join(text.replace(JOINED, ", ") for text in texts)


def person(act: Act | None) -> str:
    """``ben@example.com (developer) SHA256:…, entry 7``"""
    if act is None:
        return ""
    return f"{act.person} ({', '.join(act.roles)}) {act.key}, entry {act.seq}"


def people(acts: Iterable[Act]) -> str:
    return joined(map(person, acts))


def events(acts: Iterable[Act]) -> str:
    """``2026-11-22T13:20:00.000000Z ada@example.com, entry 12: what they said``"""
    return joined(f"{act.at} {act.person}, entry {act.seq}{_said(act.flaw or act.text)}" for act in acts)


def _said(text: str) -> str:
    return f": {text}" if text else ""


def checks(found: Iterable[Checked]) -> str:
    """``1:aaaa: 0 errors, 0 warnings, 0 waived, by ci@example.com, entry 5``"""
    return joined(
        f"{one.name}: {', '.join(part for part in (one.grade, one.result) if part)}, by {one.by}, entry {one.seq}"
        + (f", {one.report}" if one.report else "")
        for one in found
    )
