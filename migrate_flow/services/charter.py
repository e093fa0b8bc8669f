"""The part of a ledger that says who may do what, followed beside `verify_ledger`: policies and revoked keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from migrate_flow.core.entry import Kind, project
from migrate_flow.core.history import History, PolicyVersion
from migrate_flow.core.lifecycle import add
from migrate_flow.core.policy_entries import GOVERNING
from migrate_flow.services.allowed_signers import expected

if TYPE_CHECKING:
    from migrate_flow.services.verify_chunk import Row

_KINDS = GOVERNING | {Kind.LEDGER_OPENED}


class Charter:
    """What the governing entries of a whole ledger amount to. Signatures are judged elsewhere."""

    def __init__(self, key_of: Callable[[str], str]) -> None:
        self._history = History(lean=True)
        self._key_of = key_of

    def row(self, row: Row) -> None:
        """The next entry, of whatever kind. One that can't be understood changes nothing."""
        seq, prev, stored, statement, signature, kind = row[:6]
        if kind in _KINDS:
            try:
                add(self._history, project(seq, prev, statement, signature, stored=stored), self._key_of)
            except (ValueError, KeyError, TypeError, AttributeError):
                pass  # `verify_ledger` has a word for it
            else:
                return
        self._history.hashes[seq] = stored
        self._history.seq, self._history.hash = seq, stored

    @property
    def policies(self) -> list[PolicyVersion]:
        """Oldest first."""
        return self._history.policies

    @property
    def signers(self) -> bytes:
        """The allowed_signers that they make."""
        revoked = {key: item.seq for key, item in self._history.revoked.items()}
        return expected(((version.seq, version.policy) for version in self.policies), revoked)
