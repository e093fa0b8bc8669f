"""Policies whose people have the keys that a test gives them."""

from __future__ import annotations

from collections.abc import Iterable

from migrate_flow.core.policy import Policy
from tests.support import builders

ADA, BOB, CY = "ada@example.com", "bob@example.com", "cy@example.com"


def policy(recovery: Iterable[str] = (), **keys: Iterable[str]) -> Policy:
    """keys: public keys by the part of the address before the @."""
    document = builders.policy_document({f"{name}@example.com": ["developer"] for name in ("ada", "bob", "cy")})
    for name in ("ada", "bob", "cy"):
        document["people"][f"{name}@example.com"]["keys"] = list(keys.get(name, ()))
    if recovery:
        document["policy"]["recovery_keys"] = list(recovery)
    return Policy.from_document(document)
