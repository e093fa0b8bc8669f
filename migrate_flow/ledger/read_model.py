"""What the fold of a ledger came to, kept in the user's cache folder for commands that only read.

It is a copy that can be thrown away: whatever is wrong with it, the ledger is folded again. What it holds of one
revision is read only when somebody asks for that revision.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from migrate_flow import __version__
from migrate_flow.core.chain import Head
from migrate_flow.core.drawers import Drawers, Known
from migrate_flow.core.frozen import (
    FORMAT,
    Address,
    Fetch,
    freeze_application,
    freeze_outline,
    freeze_record,
    targets_of,
    thaw_application,
    thaw_outline,
    thaw_record,
)
from migrate_flow.core.history import Application, History, RevisionRecord
from migrate_flow.core.packed import Hashes
from migrate_flow.ledger import parts
from migrate_flow.ledger.parts import Damaged, NewPart, Parts, Ref
from migrate_flow.services.glance import Kept
from migrate_flow.services.marks import Mark
from migrate_flow.services.settled_rows import SettledRows

RECENT = 64  # records that are held, of those that nobody added to
_VERSION = f"{FORMAT} {__version__}"
_Keep = Callable[[Ref], Ref]
_NOTHING: dict[str, Any] = {"parts": [], "records": {}, "targets": [], "hashes": [], "nonces": []}
_UNUSABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, Damaged)


class ReadModel:
    """Implements `services.glance.Model`. place: names the ledger and where it lies. folder: the user's cache."""

    def __init__(self, folder: Path, place: str) -> None:
        self._folder = folder / hashlib.sha256(place.encode()).hexdigest()[:32]
        self._index: dict[str, Any] = {}
        self._parts: Parts | None = None
        self._records: object = None
        self._damaged = False
        self._applications: dict[Address, Drawers[Application]] = {}

    def load(self, fetch: Fetch, afresh: Callable[[Head], History]) -> Kept | None:
        """None where there is nothing that can be used. fetch: the entry at a position. afresh: folds up to a head,
        for when a part turns out to be damaged later."""
        try:
            index = parts.read_index(self._folder)
            if index["version"] != _VERSION:
                return None
            seq, digest, rows, state = index["mark"]
            mark = Mark(Head(seq, digest), rows, state)
            found = _Thawing(index, Parts(self._folder, index["parts"]), fetch, self._mended(mark.head, afresh))
            history, applications = found.history()
            settled, unedited = SettledRows(*index["settled"]), dict[str, str](index["unedited"])
        except _UNUSABLE:
            return None
        self._index, self._parts, self._applications = index, found.parts, applications
        self._records = history.revisions
        return Kept(history, mark, settled, unedited)

    def _mended(self, head: Head, afresh: Callable[[Head], History]) -> Callable[[], History]:
        @cache
        def mended() -> History:
            self._damaged = True
            parts.forget(self._folder)
            return afresh(head)

        return mended

    def save(self, kept: Kept) -> None:
        """Where it can't be kept, it is not."""
        with suppress(*_UNUSABLE, RecursionError):
            self._save(kept)

    def _save(self, kept: Kept) -> None:
        history, known = kept.history, self._index
        grown = self._records is not None and history.revisions is self._records
        if history.hashes.odd or (grown and self._damaged):
            return
        index: dict[str, Any] = {
            "version": _VERSION,
            "mark": [kept.mark.head.seq, kept.mark.head.hash, kept.mark.rows, kept.mark.state],
            "settled": kept.settled.frozen(),
            "unedited": kept.unedited,
        }
        if grown and history.seq == known["outline"]["seq"]:
            index = {**known, **index}
        else:
            index |= self._added(history, known if grown else _NOTHING)
        parts.write_index(self._folder, index)

    def _added(self, history: History, before: dict[str, Any]) -> dict[str, Any]:
        """What the index says of the history. What is new since, or all of it where there are many parts, is written to
        a new one."""
        old = self._parts if len(before["parts"]) >= parts.MOST_PARTS else None
        names = [] if old else before["parts"]
        with closing(NewPart(self._folder, len(names))) as new:

            def kept(ref: Ref) -> Ref:
                return new.add(old.read(ref)) if old else ref

            start = before["outline"]["seq"] + 1 if before["parts"] else 0
            nonces = history.nonces.added if isinstance(history.nonces, Known) else sorted(history.nonces)
            return {
                "outline": freeze_outline(history),
                "records": self._records_of(history, before["records"], new, kept),
                "targets": self._targets_of(history, before["targets"], new, kept),
                "hashes": [*map(kept, before["hashes"]), new.add(history.hashes.packed(start))],
                "nonces": [*map(kept, before["nonces"]), new.add_value(nonces)],
                "parts": [*names, new.name],
            }

    def _records_of(self, history: History, before: dict[str, Ref], new: NewPart, kept: _Keep) -> dict[str, Ref]:
        records = history.revisions
        fresh = records.put if isinstance(records, Drawers) else records
        return {
            revision: new.add_value(freeze_record(fresh[revision])) if revision in fresh else kept(before[revision])
            for revision in records
        }

    def _targets_of(self, history: History, before: list[list[Any]], new: NewPart, kept: _Keep) -> list[list[Any]]:
        refs = {(name, retired, uuid): ref for name, retired, uuid, ref in before}
        return [
            [*address, kept(refs[address]) if self._untouched(address, held) else new.add_value(_rows(held))]
            for address, held in ((address, target.applications) for address, target in targets_of(history).items())
        ]

    def _untouched(self, address: Address, applications: object) -> bool:
        return (
            isinstance(applications, Drawers)
            and applications is self._applications.get(address)
            and not applications.touched
        )


class _Thawing:
    """mended: a fold from the ledger, up to where the model goes."""

    def __init__(self, index: dict[str, Any], found: Parts, fetch: Fetch, mended: Callable[[], History]) -> None:
        self._index, self.parts, self._fetch, self._mended = index, found, fetch, mended

    def history(self) -> tuple[History, dict[Address, Drawers[Application]]]:
        made = History(hashes=Hashes(self._hashes), nonces=Known(self._nonces))
        made.revisions = Drawers(
            lambda: self._index["records"], lambda revision, ref: self._record(revision, ref, made), RECENT
        )
        thaw_outline(self._index["outline"], made, self._fetch)
        refs = {(name, retired, uuid): ref for name, retired, uuid, ref in self._index["targets"]}
        held = {}
        for address, target in targets_of(made).items():
            held[address] = target.applications = self._applications(address, refs[address])
        return made, held

    def _record(self, revision: str, ref: Ref, history: History) -> RevisionRecord:
        try:
            return thaw_record(revision, self.parts.value(ref), history.claims)
        except _UNUSABLE:
            return replace(self._mended().revisions[revision], claims=history.claims)

    def _applications(self, address: Address, ref: Ref) -> Drawers[Application]:
        def rows() -> dict[str, Any]:
            try:
                return {row[0]: row for row in self.parts.value(ref)}
            except _UNUSABLE:
                return dict(targets_of(self._mended())[address].applications)

        def make(_revision: str, row: Any) -> Application:
            return row if isinstance(row, Application) else thaw_application(row, self._fetch)

        return Drawers(rows, make)

    def _hashes(self) -> bytes:
        try:
            return b"".join(map(self.parts.read, self._index["hashes"]))
        except _UNUSABLE:
            return self._mended().hashes.packed()

    def _nonces(self) -> list[str]:
        try:
            return [nonce for ref in self._index["nonces"] for nonce in self.parts.value(ref)]
        except _UNUSABLE:
            return list(self._mended().nonces)


def _rows(applications: Any) -> list[list[Any]]:
    """Of one target. Those that nobody put there since are as they were kept."""
    if not isinstance(applications, Drawers):
        return [freeze_application(found) for found in applications.values()]
    found = (applications.put.get(key) or applications.row(key) for key in applications)
    return [freeze_application(one) if isinstance(one, Application) else one for one in found]
