"""The ledger as a service sees it: folded once, extended by what this process appends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cached_property
from uuid import uuid4

from migrate_flow.core.entry import Draft, Entry, format_time, statement
from migrate_flow.core.history import History
from migrate_flow.core.lifecycle import fold
from migrate_flow.errors import IdentityError, LedgerError, MigrateFlowError, UsageError
from migrate_flow.services.ports import Clock, Ledger, Signer, Verifier

Recheck = Callable[[History], None]


def _fine(_history: History) -> None:
    """Nothing that others appended meanwhile matters to this entry."""


class Book:
    """ledger_id, genesis: the trust anchor of the configuration, empty where it names none."""

    def __init__(
        self,
        ledger: Ledger,
        verifier: Verifier,
        signer: Callable[[], Signer],
        clock: Clock,
        *,
        ledger_id: str = "",
        genesis: str = "",
    ) -> None:
        self.ledger, self._verifier, self._signer, self._clock = ledger, verifier, signer, clock
        self._anchor = (ledger_id, genesis)

    @cached_property
    def history(self) -> History:
        """The whole ledger, its chain checked. Raises LedgerError where it can't be trusted."""
        try:
            history = fold(self.ledger.entries(), self._verifier.key_of)
        except (ValueError, KeyError, TypeError) as error:
            raise LedgerError(
                f"the ledger can't be understood: {error}",
                hint="migrate-flow ledger verify",
                where=self.ledger.describe(),
            ) from error
        if not history.policies:
            raise LedgerError("the ledger is empty", hint="migrate-flow init", where=self.ledger.describe())
        ledger_id, genesis = self._anchor
        if (ledger_id and ledger_id != history.ledger) or (genesis and genesis != f"sha256:{history.genesis}"):
            raise LedgerError(
                f"this is not the ledger that the configuration names (found {history.ledger})",
                hint="correct [ledger] url, or restore the right ledger",
                where=self.ledger.describe(),
            )
        return history

    def catch_up(self) -> None:
        """Take in what others appended since this process read the ledger: who had to wait for a lock knows only the
        past."""
        history = self.history
        (last,) = self.entries([history.head.seq]) or (None,)
        if last is None or last.hash != history.head.hash:
            raise LedgerError(
                f"the ledger can't be trusted: entry {history.head.seq} is not the one that was read a moment ago",
                hint="migrate-flow ledger verify",
                where=self.ledger.describe(),
            )
        fold(self.ledger.entries(history.head.seq), self._verifier.key_of, history)

    def now(self) -> datetime:
        """The ledger's clock: never earlier than its last entry."""
        now = self._clock()
        return max(now, self.history.last_at or now)

    def entries(self, seqs: Sequence[int]) -> list[Entry]:
        """The entries at these positions, in order."""
        return self.ledger.at(sorted(set(seqs)))

    def append(self, draft: Draft, recheck: Recheck = _fine) -> Entry:
        """Sign and append. recheck: called with the history again if others appended meanwhile; raises to refuse.

        Raises IdentityError for a signer whom the policy does not know, LedgerError, BusyError.
        """
        history = self.history
        signer = self._signer()
        know(history, signer)
        try:
            signed = statement(
                draft,
                ledger=history.ledger,
                nonce=str(uuid4()),
                at=format_time(self.now()),
                actor=signer.person,
                after=history.head,
                policy=history.policy.digest,
            )
        except ValueError as error:
            raise UsageError(f"this can't be recorded: {error}", hint="use text in UTF-8", where="-m") from error

        def catch_up(entries: Sequence[Entry]) -> None:
            fold(entries, self._verifier.key_of, history)
            know(history, signer)
            recheck(history)

        seen = history.head
        try:
            entry = self.ledger.append(signed, signer.sign(signed), draft.artifacts, seen=seen, recheck=catch_up)
        except MigrateFlowError:
            raise
        except OSError as error:
            raise LedgerError(
                f"the ledger can't be written: {error.strerror}",
                hint="migrate-flow doctor",
                where=self.ledger.describe(),
            ) from error
        fold([entry], self._verifier.key_of, history)
        return entry


def know(history: History, signer: Signer) -> None:
    """Raises IdentityError unless the policy in force knows the signer by this very key."""
    person = history.policy.people.get(signer.person)
    add = f"migrate-flow people add {signer.person} --role ROLE --key '{signer.public_key}'"
    if person is None:
        raise IdentityError(f"{signer.person} is not in the policy", hint=f"{add}, then migrate-flow policy record")
    if signer.public_key not in person.keys:
        raise IdentityError(
            f"the key found for {signer.person} is not one that the policy knows",
            hint=f"use the right key, or: {add}, then migrate-flow policy record",
        )
