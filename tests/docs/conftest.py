"""What the tests of the pages share with others: byte code, and a ledger with every kind of entry."""

from __future__ import annotations

from tests.acceptance.conftest import pycache
from tests.exports.conftest import audited, shared

__all__ = ["audited", "pycache", "shared"]
