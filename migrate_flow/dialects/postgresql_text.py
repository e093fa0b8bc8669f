"""PostgreSQL's printed expressions in one form, whether they were printed once or read in and printed again.

NOTE: the printers are no fixpoint. An IN list on varchar is printed as ``(ARRAY['a'::varchar, …])::text[]``; read in
again, the cast goes to each item. A BETWEEN inside of AND has parentheses of its own the first time only. Both are
brought to their second form here, and every AND within AND, or OR within OR, is taken as one list.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<whole>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|[\w$]+|::|.)""",
    re.S | re.X,
)
# Without any of it, a text is in this form already; most are.
_TO_DO = re.compile(r"\s\s|[^\S ]|[(\[]\s|ARRAY|AND|OR|;$")
# A chain of operators has a parenthesis for each; deeper ones are compared as they are printed.
_DEEPEST = 150
_CLOSING = {"(": ")", "[": "]"}
# A list with one of these in it is no list of operands: BETWEEN is printed in the frame of a window only.
_NO_OPERANDS = frozenset({"BETWEEN", "SELECT", "WHERE", "FROM", ","})


@dataclass(frozen=True, slots=True)
class _Node:
    """text: a token, or the opening parenthesis or bracket of what is inside. spaced: white space stands before."""

    text: str
    spaced: bool
    inside: tuple[_Node, ...] | None = None


def one_form(printed: str | None) -> str:
    """The normalised text; empty for none."""
    if not printed:
        return ""
    if not _TO_DO.search(printed):
        return printed.strip()
    found = [(m["whole"], m.start() > 0 and printed[m.start() - 1].isspace()) for m in _TOKEN.finditer(printed)]
    tokens = [(text, spaced) for text, spaced in found if text is not None]
    if _depth(tokens) <= _DEEPEST:
        nodes, rest = _tree(tokens, 0, "")
        if rest == len(tokens):
            return _text(nodes).strip().removesuffix(";")
    return " ".join(text for text, _ in tokens).removesuffix(" ;")


def _depth(tokens: Sequence[tuple[str, bool]]) -> int:
    steps = ((text in _CLOSING) - (text in (")", "]")) for text, _ in tokens)
    return max(accumulate(steps), default=0)


def _tree(tokens: Sequence[tuple[str, bool]], at: int, end: str) -> tuple[tuple[_Node, ...], int]:
    """The nodes up to `end`, and where that is."""
    nodes: list[_Node] = []
    while at < len(tokens) and tokens[at][0] != end and tokens[at][0] not in (")", "]"):
        text, spaced = tokens[at]
        if text in _CLOSING:
            inside, at = _tree(tokens, at + 1, _CLOSING[text])
            nodes.append(_Node(text, spaced, _flat(inside)))
        else:
            nodes.append(_Node(text, spaced))
        at += 1
    return _cast_items(nodes), at


def _flat(nodes: tuple[_Node, ...]) -> tuple[_Node, ...]:
    """A list of AND, or of OR, with the lists of the same word in it spliced in."""
    word = _joined_by(nodes)
    if not word:
        return nodes
    result: list[_Node] = []
    for index, node in enumerate(nodes):
        alone = all(nodes[i].text == word for i in (index - 1, index + 1) if 0 <= i < len(nodes))
        if alone and node.text == "(" and node.inside and _joined_by(node.inside) == word:
            result += [replace(node.inside[0], spaced=node.spaced), *node.inside[1:]]
        else:
            result.append(node)
    return tuple(result)


def _joined_by(nodes: Sequence[_Node]) -> str:
    words = {node.text for node in nodes if node.inside is None}
    if words & _NO_OPERANDS:
        return ""
    return "AND" if "AND" in words else "OR" if "OR" in words else ""


def _cast_items(nodes: list[_Node]) -> tuple[_Node, ...]:
    """``(ARRAY[a, b])::text[]`` as ``ARRAY[(a)::text, (b)::text]``."""
    result: list[_Node] = []
    at = 0
    while at < len(nodes):
        node, kind = nodes[at], _array_type(nodes, at + 1)
        if kind and node.inside and _is_array(node):
            array, items = node.inside
            cast = tuple(_cast(item, kind) for item in _split(items.inside or ()))
            inside = tuple(part for index, item in enumerate(cast) for part in _after_comma(item, index))
            result += [replace(array, spaced=node.spaced), replace(items, inside=inside)]
            at += len(kind) + 3  # the double colon, the type, its brackets
        else:
            result.append(node)
            at += 1
    return tuple(result)


def _is_array(node: _Node) -> bool:
    inside = node.inside or ()
    return node.text == "(" and len(inside) == 2 and inside[0].text == "ARRAY" and inside[1].text == "["


def _array_type(nodes: Sequence[_Node], at: int) -> tuple[_Node, ...]:
    """The type of the items, where ``::type[]`` begins here."""
    if at >= len(nodes) or nodes[at].text != "::":
        return ()
    for index in range(at + 1, len(nodes)):
        node = nodes[index]
        if node.text == "[":
            return tuple(nodes[at + 1 : index]) if node.inside == () else ()
        if node.text != "(" and not re.fullmatch(r'[\w$]+|".*"|\.', node.text, re.S):
            return ()
    return ()


def _split(nodes: Sequence[_Node]) -> list[tuple[_Node, ...]]:
    items: list[list[_Node]] = [[]]
    for node in nodes:
        if node.text == "," and node.inside is None:
            items.append([])
        else:
            items[-1].append(node)
    return [tuple(item) for item in items if item]


def _cast(item: tuple[_Node, ...], kind: tuple[_Node, ...]) -> tuple[_Node, ...]:
    inner = (replace(item[0], spaced=False), *item[1:])
    return (_Node("(", False, inner), _Node("::", False), *kind)


def _after_comma(item: tuple[_Node, ...], index: int) -> tuple[_Node, ...]:
    return item if index == 0 else (_Node(",", False), replace(item[0], spaced=True), *item[1:])


def _text(nodes: Sequence[_Node]) -> str:
    said = []
    for node in nodes:
        said.append(" " * node.spaced + node.text)
        if node.inside is not None:
            said.append(_text(node.inside).lstrip() + _CLOSING[node.text])
    return "".join(said)
