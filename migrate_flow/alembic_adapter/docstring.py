"""Puts sections into a new script's docstring: added where the template has none, filled where it has no text."""

from __future__ import annotations

import io
import re
import textwrap
import tokenize
from collections.abc import Sequence
from typing import TYPE_CHECKING

from migrate_flow.lint.rules.placeholder_text import is_placeholder
from migrate_flow.lint.sections import sections

if TYPE_CHECKING:
    from migrate_flow.services.new import Section

_LITERAL = re.compile(r"""([rRuU]?)(\"""|'''|"|')(.*)\2""", re.S)
_ALEMBICS = re.compile(r"\s*(Revision ID|Revises|Create Date)\b.*:")
_BETWEEN = (tokenize.COMMENT, tokenize.NL)


def with_sections(source: str, message: str, wanted: Sequence[Section]) -> str:
    """The source with a complete docstring. message: for that of a template without one.

    A text of the template's own stays, unless it is a placeholder and the author gave the section's text.
    """
    if "\r\n" in source:
        return with_sections(source.replace("\r\n", "\n"), message, wanted).replace("\n", "\r\n")
    token = _docstring(source)
    if token is None:
        comments = re.match(r"(?:#.*\n)*", source)
        start = comments.end() if comments else 0
        body = "\n".join(_completed([_escaped(message)], wanted, raw=False))
        return f'{source[:start]}"""{body}"""\n{source[start:]}'
    literal = _LITERAL.fullmatch(token.string)
    if literal is None:
        return source
    prefix, quote, body = literal.groups()
    body = "\n".join(_completed(body.split("\n"), wanted, raw=prefix in ("r", "R")))
    quote = quote if len(quote) == 3 else quote * 3
    start = sum(len(line) + 1 for line in source.split("\n")[: token.start[0] - 1]) + token.start[1]
    return source[:start] + prefix + quote + body + quote + source[start + len(token.string) :]


def _docstring(source: str) -> tokenize.TokenInfo | None:
    """The module's, by its token: what stands below need not parse."""
    try:
        tokens = (t for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type not in _BETWEEN)
        first, after = next(tokens), next(tokens)
    except (tokenize.TokenError, SyntaxError, StopIteration):
        return None
    return first if first.type == tokenize.STRING and after.type == tokenize.NEWLINE else None


def _completed(lines: list[str], wanted: Sequence[Section], *, raw: bool) -> list[str]:
    """The docstring's lines, without quotes."""
    added: list[str] = []
    for section in wanted:
        text = section.text if raw else _escaped(section.text)
        there = sections("\n".join(lines))
        title = next((title for title in section.titles if title in there), "")
        if not title:
            added += [*_section(f"{section.title}:", text), ""]
        elif section.given or not there[title]:
            lines = _filled(lines, title, there[title], text)
    if not added:
        return lines
    at = next((number for number, line in enumerate(lines) if _ALEMBICS.match(line)), len(lines))
    above, below = lines[:at], lines[at:]
    while above and not above[-1].strip():
        above.pop()
    return [*above, "", *added, *below] if below else [*above, "", *added[:-1], ""]


def _filled(lines: list[str], title: str, old: str, text: str) -> list[str]:
    """With a text in a section that is there, above the template's unless that says nothing."""
    at = next(n for n, line in enumerate(lines) if line.partition(":")[0].strip().lower() == title)
    name, colon, inline = lines[at].partition(":")
    below = at + 1 if colon else at + 2  # its underline
    if old and not is_placeholder(old):
        return [*lines[:below], *_indented(text), *lines[below:]]
    end, left = below, len(old.split("\n")) - bool(inline.strip()) if old else 0
    while left and not lines[end].strip():
        end += 1
    underlined = [*lines[at:below], *_indented(text)]
    section = _section(f"{name}:", text) if colon or sections(text) else underlined
    return [*lines[:at], *section, *lines[end + left :]]


def _section(heading: str, text: str) -> list[str]:
    first, *rest = text.split("\n")
    if sections(first):  # on a line of its own, "Support: …" would be read as the next title
        return [f"{heading} {first}", *_indented("\n".join(rest))]
    return [heading, *_indented(text)]


def _indented(text: str) -> list[str]:
    return textwrap.indent(text, "    ").splitlines()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\")
