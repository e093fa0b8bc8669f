"""The fold with a note of whether the newest outcome in each environment says where its version table stands."""

from __future__ import annotations

from migrate_flow.core.entry import Entry, Kind
from migrate_flow.core.history import History
from migrate_flow.core.lifecycle import KeyOf, add
from migrate_flow.core.packed import Nonces

_MALFORMED = (KeyError, TypeError, ValueError, AttributeError)
_OUTCOMES = frozenset({Kind.APPLY_APPLIED, Kind.APPLY_FAILED, Kind.APPLY_PARTIAL, Kind.APPLY_RECOVERED})
_TELLING = _OUTCOMES | {Kind.TARGET_ADOPTED}


class Outcomes:
    """Takes in one entry after the other. headless: environments whose newest outcome does not say where its version
    table stands, with its position: it does not count, and whoever may speak there signed it."""

    def __init__(self, key_of: KeyOf) -> None:
        self.history = History(lean=True, nonces=Nonces())
        self.headless: dict[str, int] = {}
        self._key_of, self._key, self._flaw = key_of, "", ""

    def take(self, entry: Entry, key: str = "") -> None:
        """key: the public key that signed it, where somebody verified that; else it is the one that the signature
        names. Raises ValueError for an entry that is not ours."""
        flawed = self.history.flawed
        before = len(flawed)
        self._key = key
        add(self.history, entry, self._remembered)
        self._flaw = ""
        if len(flawed) > before:
            self._flaw = next((said.flaw for said in flawed[before:] if said.seq == entry.seq), "")
        if entry.kind in _TELLING:
            self._note_heads(entry)

    def _remembered(self, signature: str) -> str:
        self._key = self._key or self._key_of(signature)
        return self._key

    def _note_heads(self, entry: Entry) -> None:
        fields = entry.predicate
        try:
            if not self._flaw:
                self.headless.pop(fields["environment"], None)
            elif entry.kind in _OUTCOMES and "heads" not in fields and self._own_key(entry):
                self.headless[fields["environment"]] = entry.seq
        except _MALFORMED:
            return  # the fold has its word for an entry like that

    def _own_key(self, entry: Entry) -> bool:
        return self._key in self.history.policy.keys_of(entry.actor)
