"""The ledger as a command sees it that only reads: from what an earlier fold came to, as far as the ledger still holds
the very same rows, and folded on from there.

`Book` is the judge. Whoever signs, appends or applies has one, and folds every entry afresh; a glance refuses to sign.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, NoReturn, Protocol

from migrate_flow.core.chain import EMPTY, Head
from migrate_flow.core.entry import Entry, Kind
from migrate_flow.core.history import History
from migrate_flow.core.lifecycle import add, fold
from migrate_flow.services.book import Book, uncollected
from migrate_flow.services.marks import Mark, MarkedLedger, Rewritten
from migrate_flow.services.settled_rows import Settled, SettledRows

if TYPE_CHECKING:
    from migrate_flow.services.ports import Clock, Heads, Verifier


MOST_HELD = 5_000  # entries folded just now; of more than that, what was kept of them takes much less memory


@dataclass(slots=True)
class Kept:
    """What is kept of a fold. mark: of the entries that it is made of. settled: by revision. unedited: the one manifest
    of which entries spoke, by revision, as far as somebody looked."""

    history: History
    mark: Mark
    settled: SettledRows = field(default_factory=SettledRows)
    unedited: dict[str, str] = field(default_factory=dict)

    def forget(self, revision: str) -> None:
        """An entry speaks of it."""
        self.settled.forget(revision)
        self.unedited.pop(revision, None)

    def forget_all(self) -> None:
        self.settled, self.unedited = SettledRows(), {}


class Model(Protocol):
    """Where it is kept. Neither raises."""

    def load(self, fetch: Callable[[int], Entry], afresh: Callable[[Head], History]) -> Kept | None:
        """None where there is nothing that can be used. fetch: the entry at a position. afresh: folds up to a head, for
        when a part turns out to be damaged later."""
        ...

    def save(self, kept: Kept) -> None: ...


class _FoldAgain(Exception):
    """An entry changes what was said long before."""


class Glance(Book):
    def __init__(
        self,
        ledger: MarkedLedger,
        verifier: Verifier,
        clock: Clock,
        heads: Heads,
        model: Model,
        *,
        ledger_id: str = "",
        genesis: str = "",
    ) -> None:
        super().__init__(ledger, verifier, _signs_nothing, clock, heads, ledger_id=ledger_id, genesis=genesis)
        self._marked, self._model = ledger, model
        self._kept: Kept | None = None
        self._saved: Mark | None = None

    @property
    def settled(self) -> SettledRows:
        """As far as it was found out earlier; whether it still holds is for the reader to see."""
        return self._kept.settled if self._kept and self._is_all(self._kept) else SettledRows()

    def settle(self, found: Mapping[str, Settled]) -> None:
        kept = self._kept
        if kept is not None and self._is_all(kept) and kept.settled != found:
            kept.settled = SettledRows.of(found)
            self._save(kept)

    @property
    def unedited(self) -> Mapping[str, str]:
        return self._kept.unedited if self._kept and self._is_all(self._kept) else {}

    def keep_unedited(self, found: Mapping[str, str]) -> None:
        kept = self._kept
        if kept is not None and self._is_all(kept) and not found.items() <= kept.unedited.items():
            kept.unedited |= found
            self._save(kept)

    @staticmethod
    def _is_all(kept: Kept) -> bool:
        """Whether nothing was folded since that others appended meanwhile."""
        return kept.history.head == kept.mark.head

    def append_signed(self, *_signed: object, **_how: object) -> NoReturn:
        _signs_nothing()

    def _read(self) -> History:
        with uncollected():
            return self._recall()

    def _recall(self) -> History:
        kept = self._model.load(self._entry, self._afresh)
        if kept is not None:
            self._saved = kept.mark
            try:
                return self._go_on(kept)
            except (Rewritten, _FoldAgain):
                self._saved = None
        return self._go_on(Kept(History(), Mark(EMPTY, "")))

    def _go_on(self, kept: Kept) -> History:
        history = kept.history
        marks: list[Mark] = []
        for entry in self._marked.entries_since(kept.mark if kept.mark.rows else None, marks.append):
            if entry.kind == Kind.KEY_REVOKED and entry.predicate.get("since") and kept.mark.rows:
                raise _FoldAgain
            charter = len(history.charter)
            add(history, entry, self._verifier.key_of)
            kept.forget(entry.revision or "")
            if len(history.charter) > charter:
                kept.forget_all()
        (kept.mark,) = marks
        self._kept = kept
        return history

    def _judged(self, history: History) -> History:
        kept = self._kept
        if kept is not None and self._is_all(kept) and kept.mark != self._saved:
            fresh = kept.mark.head.seq - (self._saved.head.seq if self._saved else 0)
            self._save(kept)
            again = self._model.load(self._entry, self._afresh) if fresh > MOST_HELD else None
            if again is not None and again.mark == kept.mark:
                self._kept = again
                return again.history
        return history

    def _save(self, kept: Kept) -> None:
        self._model.save(kept)
        self._saved = kept.mark

    def _entry(self, seq: int) -> Entry:
        found = next(self.as_read(self.ledger.at([seq])), None)
        if found is None:
            raise self._another(seq)
        return found

    def _afresh(self, head: Head) -> History:
        return fold(takewhile(lambda entry: entry.seq <= head.seq, self.ledger.entries()), self._verifier.key_of)


def _signs_nothing() -> NoReturn:
    raise TypeError("who signs needs a Book, which folds every entry afresh")
