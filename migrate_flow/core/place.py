"""What an entry said of a revision's place when it ran."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from migrate_flow.core.entry import Entry, Kind

if TYPE_CHECKING:
    from migrate_flow.core.history import History

_NOWHERE: Mapping[str, Any] = {}
_ASKED = ("down_revision", "depends_on", "branch_labels", "message", "modules", "environment_digests")


def place_of(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """What of an intent's fields anybody asks for later: a long history holds thousands of them."""
    return {name: fields[name] for name in _ASKED if name in fields}


def place_adopted(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same of what an adoption says of a revision, and its files."""
    return {**place_of(item), "files": item["files"]}


def kept_once(history: History, revision: str, place: Mapping[str, Any]) -> Mapping[str, Any]:
    """The place, with what is kept already of the revision's last one, or of its author's words: most is the same, in
    each environment."""
    if history.lean:
        return _NOWHERE
    like = history.last_places.get(revision)
    if like is None:
        content = history.record(revision).last_content()
        like = content.fields if content else _NOWHERE
    elif _same(like, place):
        return like
    made = {name: like[name] if name in like and _same(like[name], value) else value for name, value in place.items()}
    history.last_places[revision] = made
    return made


def _same(one: Any, other: Any) -> bool:
    """For Python 1 is True."""
    return bool(one == other) and repr(one) == repr(other)


class Place(Mapping[str, Any]):
    """Read from the ledger only if somebody asks. fetch: the entry at a position. stored: that of the intent, or of the
    adoption. Raises what fetch raises."""

    def __init__(self, fetch: Callable[[int], Entry], stored: int, revision: str) -> None:
        self._fetch, self._stored, self._revision = fetch, stored, revision

    @cached_property
    def _fields(self) -> Mapping[str, Any]:
        entry = self._fetch(self._stored)
        if entry.kind != Kind.TARGET_ADOPTED:
            return place_of(entry.predicate)
        found: list[dict[str, Any]] = entry.predicate["revisions"]
        item = next(item for item in reversed(found) if item["revision"] == self._revision)
        return place_adopted(item)

    def __getitem__(self, key: str) -> Any:
        return self._fields[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)
