"""The founding rule, read off the bare entries: what must stand before an intent for staging or production."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.acceptance.flow_model import UPSTREAM
from tests.acceptance.shop import Entry


def missing(entries: Sequence[Entry], environment: str, revision: str, behaviour: Callable[[str], object]) -> list[str]:
    """What is missing for a revision that stands there; nothing, if the rule was kept.

    behaviour: what a script does, by its manifest's digest.
    """
    intent = _intent(entries, environment, revision)
    if intent is None:
        return ["no intent with a good outcome"]
    before = [entry for entry in entries if entry.seq < intent.seq]
    manifest, policy = intent.said["manifest"], _policy(before)
    authors = {entry.actor for entry in before if entry.kind in _AUTHORS and entry.said["revision"] == revision}
    about = [entry for entry in before if entry.said.get("manifest") == manifest]
    reviews = {
        e.actor: e.said["verdict"] for e in about if e.kind == "migration.reviewed" and _held(e, before, "developer")
    }
    reviewers = {who for who, verdict in reviews.items() if verdict == "approve"} - authors
    approvers = {
        e.actor
        for e in about
        if e.kind == "migration.approved" and e.said["role"] == "backend-lead" and _held(e, before, "backend-lead")
    } - authors
    strict = policy["policy"]["separation"] == "strict"
    apply_roles = next(e["apply_roles"] for e in policy["environments"] if e["name"] == environment)
    came = [
        e
        for e in before
        if e.kind == "apply.applied"
        and (e.said["environment"], e.said["revision"]) == (UPSTREAM[environment], revision)
        and behaviour(e.said["manifest"]) == behaviour(manifest)
    ]
    kept = {
        "self-reviewed": any(entry.kind == "migration.self-reviewed" for entry in about),
        "peer-reviewed": bool(reviewers),
        "nobody asks for changes": not {who for who, verdict in reviews.items() if verdict != "approve"} - authors,
        "approved": bool(approvers),
        "by different people": not strict or any(a != r for a in approvers for r in reviewers),
        "applied upstream": bool(came),
        "by who may apply": not apply_roles or any(_held(intent, before, role) for role in apply_roles),
    }
    return [name for name, held in kept.items() if not held]


_AUTHORS = ("migration.created", "migration.self-reviewed")


def _intent(entries: Sequence[Entry], environment: str, revision: str) -> Entry | None:
    """The newest one that ended well."""
    done = {entry.said["attempt"] for entry in entries if entry.kind == "apply.applied"}
    found = [
        entry
        for entry in entries
        if entry.kind == "apply.intended"
        and (entry.said["environment"], entry.said["revision"]) == (environment, revision)
        and entry.said["attempt"] in done
    ]
    return found[-1] if found else None


def _policy(before: Sequence[Entry]) -> dict[str, Any]:
    """The newest policy of these entries."""
    documents = [entry.said["document"] for entry in before if "document" in entry.said]
    return dict(documents[-1])


def _held(entry: Entry, entries: Sequence[Entry], role: str) -> bool:
    """Whether its signer had the role when it was recorded."""
    people = _policy([earlier for earlier in entries if earlier.seq < entry.seq])["people"]
    person = people.get(entry.said["actor"])
    return person is not None and role in person["roles"]
