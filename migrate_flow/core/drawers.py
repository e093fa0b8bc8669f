"""Mappings and sets whose values are fetched only when somebody asks: a fold that was kept is large, and most of it is
never looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping, MutableSet
from functools import cached_property
from typing import Any, Generic, TypeVar

V = TypeVar("V")


class Drawers(MutableMapping[str, V], Generic[V]):
    """rows: gives what each value is made from, by key; make: takes the key and that. Called when they are needed.
    recent: how many values that nobody put here are held at most, 0 for all of them."""

    def __init__(self, rows: Callable[[], dict[str, Any]], make: Callable[[str, Any], V], recent: int = 0) -> None:
        self._fetch, self._make, self._recent = rows, make, recent
        self._made: dict[str, V] = {}
        self.put: dict[str, V] = {}  # what somebody put here
        self.touched = False  # whether somebody put something here, or took it away

    @cached_property
    def _rows(self) -> dict[str, Any]:
        return self._fetch()

    @cached_property
    def _keys(self) -> dict[str, None]:
        """In the order of a plain dict that had the same history."""
        return dict.fromkeys(self._rows)

    def row(self, key: str) -> Any:
        """What the value was made from. Raises KeyError for one that was put here."""
        return self._rows[key]

    def __getitem__(self, key: str) -> V:
        if key in self.put:
            return self.put[key]
        if key in self._made:
            return self._made[key]
        value = self._make(key, self._rows[key])
        if self._recent and len(self._made) >= self._recent:
            self._made.clear()
        self._made[key] = value
        return value

    def __setitem__(self, key: str, value: V) -> None:
        self._keys[key] = None
        self.put[key] = value
        self.touched = True

    def __delitem__(self, key: str) -> None:
        del self._keys[key]
        for part in (self._made, self.put, self._rows):
            part.pop(key, None)
        self.touched = True

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


class Known(MutableSet[str]):
    """fetch: gives the members that were kept; called when they are needed. added: those that came since."""

    def __init__(self, fetch: Callable[[], list[str]]) -> None:
        self._fetch = fetch
        self.added: list[str] = []

    @cached_property
    def _members(self) -> set[str]:
        return set(self._fetch())

    def __contains__(self, value: object) -> bool:
        return value in self._members

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def add(self, value: str) -> None:
        if value not in self._members:
            self.added.append(value)
            self._members.add(value)

    def discard(self, value: str) -> None:
        raise TypeError("a ledger forgets no nonce")
