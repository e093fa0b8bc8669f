"""A ledger with every kind of entry, as the tests of exports have it."""

from __future__ import annotations

from tests.exports.conftest import audited, shared

__all__ = ["audited", "shared"]
