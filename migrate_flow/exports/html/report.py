"""The page, written as it is made: the changes are read twice and the entries once, and none is kept.

The templates escape everything; what stands in no markup also loses control and direction characters. The page's policy
(CSP) lets nothing in but the one style sheet, by its hash: no script runs, whatever a ledger holds.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, BinaryIO

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from migrate_flow.core.audit import CONTROLS
from migrate_flow.core.audit_people import deed
from migrate_flow.core.entry import Kind
from migrate_flow.core.text import safe
from migrate_flow.exports.columns import scope
from migrate_flow.exports.controls import FRAMEWORKS
from migrate_flow.exports.html import people, sample, sections, stored, tally, timeline
from migrate_flow.exports.html.colour import LONGEST_SHOWN, coloured

if TYPE_CHECKING:
    from migrate_flow.exports import Exported

_BUFFERED = 200  # pieces of the page, joined for each write
_LONG_SQL = 40  # lines that are shown without a click
# Notices about exports, this one or another, and no exception. What somebody wrote can't make a notice one of these:
# the name of a person has no space.
_EXPORTED = rf"\S+ {deed(Kind.LEDGER_EXPORTED)} \(entry [0-9]+\)(, the newest of [0-9]+ exports)?"
_OF_EXPORTS = re.compile(rf"{_EXPORTED}|of the gaps only the first [0-9]+ are listed; more positions are left out")


def write(export: Exported, out: BinaryIO) -> None:
    """UTF-8. The same export gives the same bytes."""
    stream = _templates().get_template("page.html.j2").stream(**_context(export))
    stream.enable_buffering(_BUFFERED)
    stream.dump(out, encoding="utf-8", errors="backslashreplace")


def style() -> str:
    """The style sheet, as it stands in the page."""
    return files("migrate_flow.exports.html").joinpath("style.css").read_text("utf-8")


def policy() -> str:
    """The Content-Security-Policy of the page."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _context(export: Exported) -> dict[str, Any]:
    read = tally.read(export)
    kept = stored.read(export, read.reviews, read.attempts)
    header = export.header
    return {
        "header": header,
        "scope": scope(header),
        "environments": read.shown,
        "tally": read,
        "notices": tuple(text for text in header.notices if not _OF_EXPORTS.fullmatch(text)),
        "export_notices": tuple(filter(_OF_EXPORTS.fullmatch, header.notices)),
        "people": tuple(people.people(export, read, kept.acts)),
        "columns": tuple(name for name, _ in people.COLUMNS),
        "duties": tuple(people.duties(read)),
        "policies": tuple(export.policies()),
        "timeline": timeline.draw(read.events, (tally.REVIEWS, *read.shown)),
        "sample": sample.draw(read.candidates, header.head),
        "frameworks": FRAMEWORKS,
        "sections": _sections(export, kept),
        "style": Markup(style()),  # noqa: S704  our own file
        "content_policy": policy(),
    }


def _sections(export: Exported, kept: stored.Stored) -> Iterator[sections.Section]:
    for migration in tally.migrations(export):
        yield sections.section(migration, kept)


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader("migrate_flow.exports.html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    templates.filters |= {"lines": _lines, "moment": _moment, "coloured": coloured, "many": _many}
    templates.globals |= {
        "parents": sections.parents,
        "adopted": tally.adopted,
        "answers": tally.answers,
        "titles": {name: title for name, title, _meaning in CONTROLS},
        "OF_PEOPLE": tally.OF_PEOPLE,
        "LONG_SQL": _LONG_SQL,
        "LONGEST_SHOWN": LONGEST_SHOWN,
    }
    return templates


def _printable(value: Any) -> Any:
    """Every value that a template prints, before it is escaped."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return safe(value)
    return value


def _lines(text: str) -> Markup:
    """Text of several lines, for an element that keeps them."""
    return escape(safe(text, lines=True))


def _moment(text: str) -> Markup:
    """To the second, for people; the exact time stays in the attribute. Anything else as it is."""
    if not re.fullmatch(r"[0-9-]{10}T[0-9:]{8}\.[0-9]{6}Z", text):
        return escape(safe(text))
    return Markup('<time datetime="{}">{} {}</time>').format(text, text[:10], text[11:19])


def _many(count: int, word: str, words: str = "") -> str:
    return f"{count:,} {word if count == 1 else words or word + 's'}"
