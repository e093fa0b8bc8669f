"""What is kept of revisions that stand everywhere: thousands that say the same of themselves, but for their bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class Settled(NamedTuple):
    """A revision that stands everywhere, with nothing left to do, as long as its manifest here (empty: it is not in
    this checkout) is this one, and it is not earlier than since or as late as until (RFC 3339; empty: ever).
    applied: how it stands, by environment."""

    manifest: str
    state: str
    applied: Mapping[str, str]
    since: str
    until: str

    def in_time(self, now: str) -> bool:
        return self.since <= now and (not self.until or now < self.until)


class SettledRows(Mapping[str, Settled]):
    """By revision. sorts: all that is said but for the manifest. manifests, numbers: by revision, the latter of its
    sort. Each is made when somebody asks for it."""

    def __init__(
        self,
        sorts: list[list[Any]] | None = None,
        manifests: dict[str, str] | None = None,
        numbers: list[int] | None = None,
    ) -> None:
        self._sorts = [Settled("", *sort) for sort in sorts or ()]
        self._manifests = manifests or {}
        self._numbers = dict(zip(self._manifests, numbers or (), strict=True))

    @classmethod
    def of(cls, found: Mapping[str, Settled]) -> SettledRows:
        made, known = cls(), dict[str, int]()
        for revision, one in found.items():
            sort = one._replace(manifest="")
            number = known.setdefault(repr(sort), len(known))
            if number == len(made._sorts):
                made._sorts.append(sort)
            made._manifests[revision], made._numbers[revision] = one.manifest, number
        return made

    def frozen(self) -> tuple[list[list[Any]], dict[str, str], list[int]]:
        """What it is made from, as plain values."""
        return [list(sort[1:]) for sort in self._sorts], self._manifests, list(self._numbers.values())

    def holding(self, digests: Mapping[str, str], now: str) -> dict[str, int]:
        """Revisions of which it is so still. digests: of the bytes in this checkout, by revision. now: RFC 3339."""
        timely = {number for number, sort in enumerate(self._sorts) if sort.in_time(now)}
        if len(timely) == len(self._sorts) and self._manifests == digests:  # as a rule
            return self._numbers
        here, known = digests.get, self._manifests
        return {
            revision: number
            for revision, number in self._numbers.items()
            if number in timely and here(revision, "") == known[revision]
        }

    def forget(self, revision: str) -> None:
        if self._manifests.pop(revision, None) is not None:
            del self._numbers[revision]

    def __getitem__(self, revision: str) -> Settled:
        return self._sorts[self._numbers[revision]]._replace(manifest=self._manifests[revision])

    def __iter__(self) -> Iterator[str]:
        return iter(self._manifests)

    def __len__(self) -> int:
        return len(self._manifests)
