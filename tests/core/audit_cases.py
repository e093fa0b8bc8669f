"""Ledgers, and the rows that are made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from migrate_flow.core.audit import Change
from migrate_flow.core.audit_notes import Watch
from migrate_flow.core.audit_rows import changes
from migrate_flow.core.audit_shared import Told
from migrate_flow.core.entry import Kind
from migrate_flow.core.traits import Traits
from migrate_flow.signing.sshsig import public_key_of
from tests.support.builders import (
    ADA,
    DAN,
    EVE,
    TEAM,
    Scribe,
    policy_document,
)

LOSSY = [{"when": ["lossy"], "approvals": {"product-owner": 1}}]

# Eve keeps the policy, and has no part in any migration.
PEOPLE = {**TEAM, ADA: ("developer",), EVE: ("policy-admin",)}


def told(*risks: str) -> Callable[..., Told]:
    return lambda _files: Told(
        "add orders", "why not", "billing", "drop it", "SHOP-7", Traits(risks, frozenset({"orders"}))
    )


def rows(scribe: Scribe, *risks: str) -> dict[str, Change]:
    """By environment, of the one revision."""
    watch = Watch(public_key_of)
    for entry in scribe.entries:
        watch.take(entry)
    assert watch.history.seq == scribe.head.seq
    return {change.environment: change for change in changes(watch, told(*risks))}


def governed(**rules: Any) -> Scribe:
    """A ledger that somebody opened who writes no migrations."""
    scribe = Scribe()
    scribe.opens(policy_document(PEOPLE, **rules), by=EVE)
    return scribe


def approved(**rules: Any) -> Scribe:
    """Ready for staging: positions 2 to 7."""
    scribe = governed(**rules)
    scribe.created()
    scribe.self_reviewed()
    scribe.reviewed()
    scribe.approved()
    scribe.applied(env="dev")
    return scribe


def only(found: tuple[str, ...], *words: str) -> None:
    """One exception, with these words and no other."""
    assert len(found) == 1, found
    assert all(word in found[0] for word in words), found


def rolls_back(scribe: Scribe, env: str = "staging") -> None:
    attempt = f"a{scribe.head.seq}"
    scribe.intends(DAN, env, attempt, direction="downgrade", comment="the shop is down")
    scribe.ends(Kind.APPLY_APPLIED, DAN, env, attempt, direction="downgrade", heads=[])


def unapproved() -> Scribe:
    """Applied to staging (entries 8 and 9) without the approval that its risk asks for, which came later."""
    scribe = approved(escalations=LOSSY)
    scribe.applied(by=DAN, env="staging")
    scribe.approved(by=DAN, role="product-owner")
    return scribe
