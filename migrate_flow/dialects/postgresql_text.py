"""PostgreSQL's printed expressions in one form, whether they were printed once or read in and printed again.

NOTE: the printers are no fixpoint. What is known to come out otherwise the second time, found by dumping and restoring
the statements of PostgreSQL's own regression tests as views, is brought to its second form here:

* ``(ARRAY['a'::varchar, …])::text[]``, as an IN list on varchar is printed: the cast goes to each item;
* AND within AND, OR within OR, as BETWEEN makes it: one list;
* ``(- 1)``, a minus before a number: a negative number, ``'-1'::integer``;
* ``ON TRUE``, of a join: ``ON (true)``;
* the names of columns in the later branches of a UNION, which the second time are there, and say nothing: none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(\s*)([eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|[\w$.]+|::|[-+*/<>=~!@#%^&|`?]+|\S)""",
    re.S,
)
# Without any of it, a text is in this form already; most are.
_TO_DO = ("\n", "  ", "( ", "[ ", "(ARRAY", "(- ", "ON TRUE", "UNION", "INTERSECT", "EXCEPT")
_NUMBER = re.compile(r"\d+(\.\d*)?")
_OF_TYPE = re.compile(r'[\w$.]+|".*"', re.S)
# A chain of operators has a parenthesis for each; deeper ones are compared as they are printed.
_DEEPEST = 150
_CLOSING = {"(": ")", "[": "]"}
_CLOSED = frozenset(_CLOSING.values())
_SET_OPERATIONS = frozenset({"UNION", "INTERSECT", "EXCEPT"})
# A list with one of these in it is no list of operands: BETWEEN is printed in the frame of a window only.
_NO_OPERANDS = frozenset({"BETWEEN", "SELECT", "WHERE", "FROM", ","})


class _Node(NamedTuple):
    """text: a token, or the opening parenthesis or bracket of what is inside. spaced: white space stands before."""

    text: str
    spaced: bool
    inside: tuple[_Node, ...] | None = None


@lru_cache(maxsize=20_000)
def one_form(printed: str | None) -> str:
    """The normalised text; empty for none."""
    if not printed:
        return ""
    text = printed.strip().removesuffix(";")
    if text.count(" AND ") < 2 and text.count(" OR ") < 2 and not any(mark in text for mark in _TO_DO):
        return text
    words = [(word, space != "") for space, word in _TOKEN.findall(text)]
    if max(accumulate((word in _CLOSING) - (word in _CLOSED) for word, _ in words)) <= _DEEPEST:
        nodes, rest = _tree(words)
        if rest == len(words):
            pieces: list[str] = []
            _print(nodes, pieces)
            return "".join(pieces)
    return " ".join(word for word, _ in words)


def _tree(words: Sequence[tuple[str, bool]], at: int = 0) -> tuple[tuple[_Node, ...], int]:
    """The nodes up to what closes, and where that is; -1 if one is not closed by its own."""
    nodes: list[_Node] = []
    while at < len(words):
        word, spaced = words[at]
        if word in _CLOSED:
            break
        if word in _CLOSING:
            inside, at = _tree(words, at + 1)
            if at < 0 or at == len(words) or words[at][0] != _CLOSING[word]:
                return (), -1
            nodes.append(_closed(word, spaced, inside))
        elif word == "TRUE" and nodes and nodes[-1].text == "ON":
            nodes.append(_Node("(", spaced, (_Node("true", False),)))
        else:
            nodes.append(_Node(word, spaced))
        at += 1
    return _second_form(nodes), at


def _second_form(nodes: list[_Node]) -> tuple[_Node, ...]:
    words = {node.text for node in nodes}
    if not words.isdisjoint(_SET_OPERATIONS):
        nodes = _unnamed(nodes)
    if "::" in words:
        nodes = _cast_items(nodes)
    if words.isdisjoint(_NO_OPERANDS) and (word := "AND" if "AND" in words else "OR") in words:
        nodes = _flat(nodes, word)
    return tuple(nodes)


def _closed(opening: str, spaced: bool, inside: tuple[_Node, ...]) -> _Node:
    """What is between parentheses or brackets, unless it is a negative number."""
    if len(inside) == 2 and inside[0].text == "-" and _NUMBER.fullmatch(number := inside[1].text):
        return _Node(f"'-{number}'::{'numeric' if '.' in number else 'integer'}", spaced)
    return _Node(opening, spaced, inside)


def _unnamed(nodes: list[_Node]) -> list[_Node]:
    """A list of SELECTs, the later ones without the names of their columns."""
    result: list[_Node] = []
    naming = False
    for index, node in enumerate(nodes):
        if node.text in _SET_OPERATIONS or node.text == "FROM":
            naming = node.text != "FROM"
        if not (naming and "AS" in (node.text, nodes[index - 1].text)):
            result.append(node)
    return result


def _flat(nodes: list[_Node], word: str) -> list[_Node]:
    """A list of AND, or of OR, with the lists of the same word in it spliced in."""
    result: list[_Node] = []
    for index, node in enumerate(nodes):
        alone = all(nodes[i].text == word for i in (index - 1, index + 1) if 0 <= i < len(nodes))
        if alone and node.text == "(" and node.inside and _joined_by(node.inside) == word:
            result += [node.inside[0]._replace(spaced=node.spaced), *node.inside[1:]]
        else:
            result.append(node)
    return result


def _joined_by(nodes: Iterable[_Node]) -> str:
    words = {node.text for node in nodes if node.inside is None}
    if words & _NO_OPERANDS:
        return ""
    return "AND" if "AND" in words else "OR" if "OR" in words else ""


def _cast_items(nodes: list[_Node]) -> list[_Node]:
    """``(ARRAY[a, b])::text[]`` as ``ARRAY[(a)::text, (b)::text]``."""
    result: list[_Node] = []
    at = 0
    while at < len(nodes):
        node = nodes[at]
        kind = _array_type(nodes, at + 1) if node.text == "(" and _is_array(node.inside or ()) else ()
        if kind and node.inside:
            array, items = node.inside
            result += [array._replace(spaced=node.spaced), _cast_all(items, kind)]
            at += len(kind) + 3  # the double colon, the type, its brackets
        else:
            result.append(node)
            at += 1
    return result


def _is_array(nodes: Sequence[_Node]) -> bool:
    return len(nodes) == 2 and nodes[0].text == "ARRAY" and nodes[1].text == "["


def _array_type(nodes: Sequence[_Node], at: int) -> tuple[_Node, ...]:
    """The type of the items, where ``::type[]`` begins here."""
    if at >= len(nodes) or nodes[at].text != "::":
        return ()
    for index in range(at + 1, len(nodes)):
        node = nodes[index]
        if node.text == "[":
            return tuple(nodes[at + 1 : index]) if node.inside == () else ()
        if node.text != "(" and not _OF_TYPE.fullmatch(node.text):
            return ()
    return ()


def _cast_all(items: _Node, kind: tuple[_Node, ...]) -> _Node:
    """The items of an array, each with the cast."""
    cast = [_cast(item, kind) for item in _split(items.inside or ())]
    for index in range(1, len(cast)):
        cast[index] = (_Node(",", False), cast[index][0]._replace(spaced=True), *cast[index][1:])
    return items._replace(inside=tuple(part for item in cast for part in item))


def _split(nodes: Sequence[_Node]) -> list[tuple[_Node, ...]]:
    items: list[list[_Node]] = [[]]
    for node in nodes:
        if node.text == "," and node.inside is None:
            items.append([])
        else:
            items[-1].append(node)
    return [tuple(item) for item in items if item]


def _cast(item: tuple[_Node, ...], kind: tuple[_Node, ...]) -> tuple[_Node, ...]:
    inner = (item[0]._replace(spaced=False), *item[1:])
    if _is_array(inner):
        return (inner[0], _cast_all(inner[1], kind))
    return (_Node("(", False, inner), _Node("::", False), *kind)


def _print(nodes: Sequence[_Node], pieces: list[str]) -> None:
    """Without white space at the beginning of the whole, and of what is in parentheses."""
    for index, node in enumerate(nodes):
        pieces.append(f" {node.text}" if node.spaced and index else node.text)
        if node.inside is not None:
            _print(node.inside, pieces)
            pieces.append(_CLOSING[node.text])
