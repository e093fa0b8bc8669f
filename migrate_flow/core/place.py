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
    """The place, with what is kept already of its author's words or of its place in another database: most is the same,
    again and again."""
    if history.lean:
        return _NOWHERE
    record = history.record(revision)
    content = record.last_content()
    like: Mapping[str, Any] = content.fields if content else {}
    for environment in history.environments.values():
        for target in (*environment.targets.values(), *environment.retired.values()):
            known = target.applications.get(revision)
            if known is None or not isinstance(known.place, dict):  # but one that has to be read from the ledger first
                continue
            if known.place == place:
                return known.place
            like = known.place
    return {name: like[name] if name in like and like[name] == value else value for name, value in place.items()}


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
