"""What an entry brings besides itself: the artifacts that were stored together with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from migrate_flow.core.entry import Kind, known_kind

# The kinds whose entries bring the bytes of the files that they speak of.
_STORING = frozenset(
    {Kind.MIGRATION_CREATED, Kind.SELF_REVIEWED, Kind.APPLY_INTENDED, Kind.APPLY_REFUSED, Kind.TARGET_ADOPTED}
)
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError)


def brought(document: Mapping[str, Any]) -> list[str]:
    """Digests (hex), of a decoded statement: its files, SQL that was rendered from them, schemas, reports of checks.
    None of an entry that can't be understood: the fold has a word for one like that."""
    try:
        predicate = document["predicate"]
        files = document["subject"] if known_kind(document) in _STORING else ()
        found = [subject["digest"]["sha256"] for subject in files]
        for rendered in predicate.get("sql", {}).values():
            found += [rendered.get(way) for way in ("upgrade", "downgrade")]
        found += [check.get("report") for check in (predicate.get("lint", {}), *predicate.get("rehearsals", ()))]
        found.append(predicate.get("schema", {}).get("snapshot"))
    except _UNREADABLE:
        return []
    return [digest.removeprefix("sha256:") for digest in found if isinstance(digest, str) and digest]
