"""What a stored script says of itself, from its bytes alone: its docstring and its risks, by syntax tree."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from migrate_flow.core.audit_shared import Read, Told
from migrate_flow.core.behaviour import syntax_tree
from migrate_flow.core.traits import UNKNOWN, Traits, read_traits, tree_traits
from migrate_flow.lint.sections import sections

if TYPE_CHECKING:
    from migrate_flow.core.entry import Subject

_RATIONALE, _MAPPING = ("rationale", "why"), ("contract mapping",)
_ROLLBACK = ("rollback", "rollback plan", "rollback notes", "rollback note", "downgrade")
_KEPT = 512


def reader(artifact: Callable[[str], bytes | None], ticket_pattern: str) -> Read:
    """artifact: stored bytes by their digest. ticket_pattern: empty where the configuration has none."""

    @lru_cache(maxsize=_KEPT)
    def read(files: tuple[Subject, ...]) -> Told:
        """The script stands first; what it imports may be risky too."""
        contents = [artifact(file.sha256) for file in files]
        source = contents[0]
        if source is None:
            return Told()
        try:
            tree = syntax_tree(source)
        except SyntaxError:
            tree = None
        traits = tree_traits(tree, source) if tree else UNKNOWN
        others = [read_traits(content) for content in contents[1:] if content is not None]
        more = {risk for other in others for risk in other.risks if risk != "irreversible"} - set(traits.risks)
        tables = traits.tables.union(*(other.tables for other in others))
        return told(_docstring(tree), ticket_pattern, Traits((*traits.risks, *sorted(more)), tables, traits.waived))

    return read


def told(doc: str, ticket_pattern: str, traits: Traits) -> Told:
    found = sections(doc)
    ticket = re.search(ticket_pattern, doc) if ticket_pattern else None
    return Told(
        doc.strip().split("\n", 1)[0].strip(),
        _one_of(found, _RATIONALE),
        _one_of(found, _MAPPING),
        _one_of(found, _ROLLBACK),
        ticket.group(0) if ticket else "",
        traits,
    )


def _one_of(found: dict[str, str], titles: tuple[str, ...]) -> str:
    return next((found[title] for title in titles if found.get(title)), "")


def _docstring(tree: ast.Module | None) -> str:
    """tree: None for what does not parse."""
    doc = (ast.get_docstring(tree, clean=False) if tree else None) or ""
    # An escaped lone surrogate could be neither stored nor printed.
    return doc if doc.isascii() else doc.encode("utf-8", "backslashreplace").decode()
