"""``# migrate-flow: ignore[slug] reason``: a comment of the script that passes a finding.

At the end of a line it speaks of the statement that the line belongs to; alone on a line, of the statement below. Of
a compound statement only the head is meant, never the body. Alone on a line outside of every function it also speaks
of findings on the file as a whole (line 0).
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from migrate_flow.lint.tree import children

if TYPE_CHECKING:
    from migrate_flow.lint.script import Script

_MARK = b"migrate-flow:"
_COMMENT = re.compile(r"#+\s*migrate-flow:\s*(.*)")
_IGNORE = re.compile(r"ignore\s*\[([^\]]*)\]\s*[-:–—]?\s*(.*)")


@dataclass(frozen=True, slots=True)
class Waiver:
    """line: of the comment. slugs: none where the comment can't be read. covers: the lines that it speaks of."""

    line: int
    slugs: tuple[str, ...]
    reason: str
    covers: frozenset[int] = field(default_factory=frozenset)

    def passes(self, rule: str, line: int) -> bool:
        return bool(self.reason) and rule in self.slugs and line in self.covers


def read_waivers(script: Script) -> tuple[Waiver, ...]:
    """In the order of their lines. None in a source that does not parse."""
    if script.tree is None or _MARK not in script.content:
        return ()
    spans = sorted(_spans(script.tree, script.lines), key=lambda span: span[1] - span[0], reverse=True)
    found = []
    for line, column, text in _comments(script.content):
        if match := _COMMENT.match(text):
            said = _IGNORE.match(match[1])
            slugs = tuple(dict.fromkeys(slug.strip() for slug in said[1].split(",") if slug.strip())) if said else ()
            alone = not script.lines[line - 1][:column].strip()
            covers = _covers(line, alone, script, spans)
            found.append(Waiver(line, slugs, said[2].strip() if said else "", covers))
    return tuple(found)


def _comments(content: bytes) -> Iterator[tuple[int, int, str]]:
    try:
        for token in tokenize.tokenize(io.BytesIO(content).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.start[1], token.string
    except (tokenize.TokenError, SyntaxError):  # it parsed, so at most its end is unusual
        return


def _spans(tree: ast.Module, lines: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """First and last line of each statement; of a compound one, of its head."""
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            yield _first(node), _head_end(node, body[0], lines) if isinstance(body, list) else _last(node)
        if not isinstance(node, ast.expr):
            todo += children(node)


def _head_end(node: ast.stmt, inner: ast.stmt, lines: tuple[str, ...]) -> int:
    """What comments stand between the head and its body belong to the body."""
    last = _first(inner) - 1
    while last > node.lineno and lines[last - 1].strip()[:1] in ("", "#"):
        last -= 1
    return max(node.lineno, last)


def _first(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(item.lineno for item in decorators)])


def _last(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def _covers(line: int, alone: bool, script: Script, spans: list[tuple[int, int]]) -> frozenset[int]:
    """spans: the longest first, so that the last one that holds a line is the innermost."""
    within = [span for span in spans if span[0] <= line <= span[1]]
    if within:
        return frozenset(range(within[-1][0], within[-1][1] + 1)) | {line}
    found = {line}
    if not alone:
        return frozenset(found)
    if not script.lines[line - 1][:1].isspace():
        found.add(0)
    below = line + 1
    while below <= len(script.lines) and script.lines[below - 1].lstrip().startswith("#"):
        below += 1
    for first, last in spans:
        if first == below:
            found.update(range(first, last + 1))
            break
    return frozenset(found)
