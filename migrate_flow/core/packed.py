"""The hashes of all entries, packed: a ledger may hold a million of them."""

from __future__ import annotations

from migrate_flow.core.chain import ORIGIN

_SIZE = 32  # bytes of a hash


class Hashes:
    """The hash (hex) of each entry, by its position; position 0 has the hash that the first entry follows.

    Entries come one after the other, and take 32 bytes each. Only in a damaged ledger is there a gap, or a text that
    is no hash: those are kept as they are.
    """

    __slots__ = ("_odd", "_packed")

    def __init__(self) -> None:
        self._packed = bytearray(bytes.fromhex(ORIGIN))
        self._odd: dict[int, str] = {}

    def __setitem__(self, seq: int, digest: str) -> None:
        if seq * _SIZE == len(self._packed):
            try:
                raw = bytes.fromhex(digest)
            except ValueError:
                raw = b""
            if len(raw) == _SIZE and raw.hex() == digest:
                self._packed += raw
                self._odd.pop(seq, None)
                return
        self._odd[seq] = digest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hashes) and (self._packed, self._odd) == (other._packed, other._odd)

    def get(self, seq: int, default: str | None = None) -> str | None:
        if self._odd and seq in self._odd:
            return self._odd[seq]
        start = seq * _SIZE
        if 0 <= start < len(self._packed):
            return self._packed[start : start + _SIZE].hex()
        return default
