"""What an export must say, asked of the ledger's own table with sqlite3 and json: no line of the product's helps."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any

from tests.support.audited import Audited

Place = tuple[str, str]  # revision and environment


def ask(made: Audited, query: str) -> list[Any]:
    with closing(sqlite3.connect(f"file:{made.ledger}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def said(made: Audited) -> list[tuple[str, dict[str, Any]]]:
    """Kind and predicate of every entry, in order."""
    rows = ask(made, "SELECT kind, statement FROM entry ORDER BY seq")
    return [(kind, json.loads(statement)["predicate"]) for kind, statement in rows]


def places(made: Audited) -> set[Place]:
    """Where each migration was tried, refused or found; those that were nowhere have no environment."""
    found: set[Place] = set()
    known: set[str] = set()
    for kind, fields in said(made):
        items = fields["revisions"] if kind == "target.adopted" else [fields]
        known |= {item["revision"] for item in items if item.get("revision")}
        if kind.startswith("apply.") or kind == "target.adopted":
            found |= {(item["revision"], fields["environment"]) for item in items if item.get("revision")}
    return found | {(revision, "") for revision in known - {revision for revision, _environment in found}}


def applied(made: Audited) -> dict[Place, tuple[str, str]]:
    """What stands where: since when, and by whom."""
    stands: dict[Place, tuple[str, str]] = {}
    for kind, fields in said(made):
        environment = fields.get("environment", "")
        if kind == "target.replaced":
            stands = {place: since for place, since in stands.items() if place[1] != environment}
        if kind == "target.adopted":
            for item in fields["revisions"]:
                stands[item["revision"], environment] = fields["at"], fields["actor"]
        if kind == "apply.applied" or (kind == "apply.recovered" and fields["outcome"] == "applied"):
            place = fields["revision"], environment
            if fields["direction"] == "upgrade":
                stands[place] = fields["at"], fields["actor"]
            else:
                stands.pop(place)
    return stands


def messages(made: Audited) -> dict[str, str]:
    """As the entries that made a migration known say it."""
    found: dict[str, str] = {}
    for kind, fields in said(made):
        for item in fields["revisions"] if kind == "target.adopted" else [fields]:
            if item.get("message") and item.get("revision"):
                found[item["revision"]] = item["message"]
    return found


def as_in_csv(text: str) -> str:
    """With an apostrophe where a spreadsheet would calculate."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
