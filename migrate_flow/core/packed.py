"""The hashes of all entries and their nonces, packed: a ledger may hold a million of them."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator

from migrate_flow.core.chain import ORIGIN

_SIZE = 32  # bytes of a hash


class Hashes:
    """The hash (hex) of each entry, by its position; position 0 has the hash that the first entry follows.

    Entries come one after the other, and take 32 bytes each. Only in a damaged ledger is there a gap, or a text that
    is no hash: those are kept as they are.
    """

    __slots__ = ("_fetch", "_held", "_odd")

    def __init__(self, fetch: Callable[[], bytes] | None = None) -> None:
        """fetch: what `packed` gave earlier; called when it is needed."""
        self._fetch = fetch
        self._held = None if fetch else bytearray(bytes.fromhex(ORIGIN))
        self._odd: dict[int, str] = {}

    @property
    def _packed(self) -> bytearray:
        if self._held is None:
            self._held = bytearray(self._fetch() if self._fetch else b"")
        return self._held

    @property
    def odd(self) -> bool:
        """Whether it holds what `packed` does not."""
        return bool(self._odd)

    def packed(self, start: int = 0) -> bytes:
        """32 bytes a position, from this one on."""
        return bytes(self._packed[start * _SIZE :])

    def __setitem__(self, seq: int, digest: str) -> None:
        packed = self._packed
        if seq * _SIZE == len(packed):
            try:
                raw = bytes.fromhex(digest)
            except ValueError:
                raw = b""
            if len(raw) == _SIZE and raw.hex() == digest:
                packed += raw
                self._odd.pop(seq, None)
                return
        self._odd[seq] = digest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hashes) and (self._packed, self._odd) == (other._packed, other._odd)

    def get(self, seq: int, default: str | None = None) -> str | None:
        if self._odd and seq in self._odd:
            return self._odd[seq]
        packed, start = self._packed, seq * _SIZE
        if 0 <= start < len(packed):
            return packed[start : start + _SIZE].hex()
        return default


class Nonces:
    """A set of texts that can only grow. A UUID in its usual spelling takes 40 bytes at most, where a set of texts
    takes 200; any other text is kept as it is."""

    __slots__ = ("_asked", "_odd", "_packed", "_places", "_used")

    def __init__(self) -> None:
        self._packed = bytearray()
        self._used = 0
        self._places = array("I", bytes(4 * 64))  # by hash: number of the UUID, from 1; 0 where there is none
        self._odd: set[str] = set()
        self._asked: tuple[str, bytes, int] = ("", b"", 0)  # what is asked for is mostly added next

    def __contains__(self, text: object) -> bool:
        if not isinstance(text, str) or not (raw := _uuid(text)):
            return text in self._odd
        place = self._place(raw)
        self._asked = (text, raw, place)
        return bool(self._places[place])

    def add(self, text: str) -> None:
        asked, raw, place = self._asked
        if text is not asked or not raw:
            raw = _uuid(text)
            place = self._place(raw) if raw else 0
        if not raw:
            self._odd.add(text)
        elif not self._places[place]:
            self._packed += raw
            self._used += 1
            self._asked = ("", b"", 0)
            self._places[place] = self._used
            if 2 * self._used > len(self._places):
                self._grow()

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self._packed), 16):
            yield _spelled(self._packed[start : start + 16].hex())
        yield from self._odd

    def _place(self, raw: bytes) -> int:
        """Where it is, or else goes: the first place from that of its hash on that is its own or free."""
        packed, places = self._packed, self._places
        last = len(places) - 1
        place = hash(raw) & last
        while (number := places[place]) and packed[16 * number - 16 : 16 * number] != raw:
            place = (place + 1) & last
        return place

    def _grow(self) -> None:
        self._places = array("I", bytes(4 * 2 * len(self._places)))
        for number in range(1, self._used + 1):
            self._places[self._place(bytes(self._packed[16 * number - 16 : 16 * number]))] = number


def _uuid(text: str) -> bytes:
    """Its 16 bytes; none for what is no UUID, or one in another spelling."""
    if len(text) != 36:
        return b""
    try:
        raw = bytes.fromhex(text.replace("-", ""))
    except ValueError:
        return b""
    return raw if len(raw) == 16 and _spelled(raw.hex()) == text else b""


def _spelled(plain: str) -> str:
    return f"{plain[:8]}-{plain[8:12]}-{plain[12:16]}-{plain[16:20]}-{plain[20:]}"
