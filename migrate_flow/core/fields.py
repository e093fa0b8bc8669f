"""The fields of a statement's predicate: what type each has, whatever kind of entry holds it.

A keyholder can sign anything. What is not of its type makes the entry malformed, so that nobody who reads it later
has to ask again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from sys import intern
from typing import TYPE_CHECKING, Any

from migrate_flow.core.revision import manifest_digest

if TYPE_CHECKING:
    from migrate_flow.core.entry import Subject

_TEXT = (
    "revision", "manifest", "behaviour", "message", "via", "environment", "target", "attempt", "direction", "role",
    "verdict", "comment", "gate", "base", "evidence", "outcome", "decision", "error", "resumes", "public_key",
    "elsewhere", "fingerprint", "person", "project", "version", "plan", "item", "ledger", "nonce", "policy",
)  # fmt: skip
_NUMBERS = ("of", "number", "since")
_TEXTS = ("down_revision", "depends_on", "branch_labels", "heads", "from_heads", "contributors", "gone", "left")
OF_TEXT = frozenset({*_TEXT, *_TEXTS, "modules", "environment_digests"})  # where they are well formed: of text alone
_MAPPINGS = (
    "document", "modules", "sql", "environment_digests", "operator", "statements", "version_table", "receipt",
    "git", "succeeds", "lint", "schema",
)  # fmt: skip
_LISTS = ("revisions", "checklist", "rehearsals")
# What is inside of a mapping, by its keys or (one type) whatever they are.
_INSIDE: dict[str, dict[str, type] | type] = {
    "sql": dict,
    "modules": str,
    "environment_digests": str,
    "operator": {"host": str, "pid": int},
    "schema": str,
    "lint": {"rule_set": str, "errors": int, "warnings": int, "waived": int},
}
_SCHEMA = frozenset({"fingerprint", "snapshot", "normaliser", "server_major"})
_REHEARSAL = {"dialect": str, "server": str, "ancestry": str}
_OF_EVIDENCE = {"squawk": str, "report": str, "grade": str, "error": str, "upgrade": bool, "lost": list}


def malformed(fields: Mapping[str, Any]) -> str:
    """Which field is not what it must be; empty if each is. A field that is not known is not judged."""
    for name, value in fields.items():
        expected = _TYPES.get(name)
        if expected is None:
            continue
        if type(value) is not expected or (expected is not str and _strange_inside(name, value)):
            return f"malformed: the field {name} is not what it must be"
    if "gates" in fields and not _gates(fields["gates"]):
        return "malformed: the field gates is not what it must be"
    if "schema" in fields and not _whole(fields["schema"]):
        return "malformed: the field schema is not what it must be"
    if ("lint" in fields or "rehearsals" in fields) and (strange := _strange_evidence(fields)):
        return f"malformed: the field {strange} is not what it must be"
    return ""


def _whole(schema: Mapping[str, Any]) -> bool:
    """A schema that was read has all of these; else there is a reason why it was not."""
    return schema.keys() >= _SCHEMA or (bool(schema) and schema.keys() == {"problem"})


def _strange_evidence(fields: Mapping[str, Any]) -> str:
    """Which of the fields of evidence holds what it must not, beyond its own type."""
    for name, items in (
        ("lint", [fields["lint"]] if "lint" in fields else []),
        ("rehearsals", fields.get("rehearsals", [])),
    ):
        for item in items:
            wrong = any(key in item and type(item[key]) is not kind for key, kind in _OF_EVIDENCE.items())
            if wrong or any(type(text) is not str for text in item.get("lost", ())):
                return name
            if name == "rehearsals" and any(type(item.get(key)) is not kind for key, kind in _REHEARSAL.items()):
                return name
    return ""


def _strange_inside(name: str, value: Any) -> bool:
    if type(value) is list:
        return _stranger(name, value)
    inside = _INSIDE.get(name)
    if inside is None:
        return False
    if isinstance(inside, dict):
        return any(type(value.get(key)) is not expected for key, expected in inside.items())
    if any(type(item) is not inside for item in value.values()):
        return True
    return name == "sql" and any(type(text) is not str for texts in value.values() for text in texts.values())


def _gates(value: Any) -> bool:
    """Names in an intent, and with a reason each in a refusal."""
    if type(value) is not list:
        return False
    return all(
        type(item) is str or (type(item) is dict and all(type(item.get(key)) is str for key in ("gate", "reason")))
        for item in value
    )


def _stranger(name: str, values: Any) -> bool:
    """Whether one of a list's items is not of its type."""
    wanted = dict if name in _LISTS else str
    return bool(values) and {*map(type, values)} != {wanted}


def not_of_its_files(manifest: str, subjects: Sequence[Subject]) -> str:
    """Why a manifest's digest is not that of the files that an entry speaks of; empty if it is.

    The digest alone would let one person's approval of some bytes be read as one of others.
    """
    names = [subject.name for subject in subjects]
    if len(set(names)) < len(names) or any("\n" in name for name in names):
        return "its files are not named apart"
    if manifest_digest((subject.name, subject.sha256) for subject in subjects) != manifest:
        return "its manifest is not the digest of the files that it names"
    return ""


def interned(value: Any) -> Any:
    """A text, kept once in memory; whatever else a keyholder signed, as it is."""
    return intern(value) if type(value) is str else value


_TYPES: dict[str, type] = {
    **dict.fromkeys(_TEXT, str),
    **dict.fromkeys(_NUMBERS, int),
    **dict.fromkeys((*_TEXTS, *_LISTS), list),
    **dict.fromkeys(_MAPPINGS, dict),
}
