"""The ledger as a service sees it: folded once, extended by what this process appends."""

from __future__ import annotations

import gc
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from migrate_flow.core.entry import Draft, Entry, Kind, format_time, statement
from migrate_flow.core.history import History
from migrate_flow.core.lifecycle import fold
from migrate_flow.core.policy import RECOVERY
from migrate_flow.core.policy_entries import GOVERNING
from migrate_flow.errors import IdentityError, LedgerError, MigrateFlowError, Refused, UsageError
from migrate_flow.services.settled_rows import Settled, SettledRows

if TYPE_CHECKING:
    from migrate_flow.core.chain import SeenHead
    from migrate_flow.services.ports import Clock, Heads, Ledger, Signer, Verifier

TOLERANCE = timedelta(minutes=5)

Recheck = Callable[[History], None]


Appended = Callable[[Entry], None]


def _unheard(_entry: Entry) -> None:
    """Nobody asked to hear of it."""


@contextmanager
def uncollected() -> Iterator[None]:
    """Without looking for garbage in what a fold piles up: there is none, and looking takes a quarter of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _fine(_history: History) -> None:
    """Nothing that others appended meanwhile matters to this entry."""


class Book:
    """heads: what was seen of the ledger before. ledger_id, genesis: the trust anchor of the configuration, empty where
    it names none. appended: hears of each entry once it is in the ledger; never raises."""

    def __init__(
        self,
        ledger: Ledger,
        verifier: Verifier,
        signer: Callable[[], Signer],
        clock: Clock,
        heads: Heads,
        *,
        ledger_id: str = "",
        genesis: str = "",
        appended: Appended = _unheard,
    ) -> None:
        self.ledger, self._verifier, self._signer, self._clock = ledger, verifier, signer, clock
        self.heads = heads
        self._verified: dict[int, str] = {}  # position -> what is wrong with its signature
        self._anchor = (ledger_id, genesis)
        self._appended = appended

    @cached_property
    def history(self) -> History:
        """The whole ledger, its chain checked. Raises LedgerError where it can't be trusted."""
        seen = self.heads.newest()  # before the ledger is read: others append, and note it, meanwhile
        try:
            history = self._read()
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
        self._compare(history, seen)
        return self._judged(history)

    @property
    def settled(self) -> SettledRows:
        """Revisions known to have nothing left to do: nobody keeps them here."""
        return SettledRows()

    def settle(self, found: Mapping[str, Settled]) -> None:
        """Remember them, where somebody keeps them."""

    @property
    def unedited(self) -> Mapping[str, str]:
        """Revisions known to have had one manifest in all entries, with it: nobody keeps them here."""
        return {}

    def keep_unedited(self, found: Mapping[str, str]) -> None:
        """Remember these too, where somebody keeps them."""

    def _read(self) -> History:
        with uncollected():
            return fold(self.ledger.entries(), self._verifier.key_of)

    def _judged(self, history: History) -> History:
        """The ledger is the one that it must be. Gives the history to go on with."""
        return history

    def _compare(self, history: History, here: SeenHead | None) -> None:
        """Raises LedgerError where the ledger does not go on from the newest head that was seen of it, in its place
        (here) or in any."""
        anywhere = self.heads.of(history.ledger)
        if anywhere is not None and anywhere.head.seq > history.head.seq:
            self._take_in(history)  # others may have appended, and noted it, since we read
        seen = [note for note in (here, anywhere) if note is not None]
        problems = {note.where: problem for note in seen if (problem := unlike(history, note))}
        if problems:
            moved = f" (it lay at {anywhere.place} then)" if anywhere and list(problems) == [anywhere.where] else ""
            raise LedgerError(
                f"the ledger can't be trusted: {next(iter(problems.values()))}{moved}",
                hint="restore the newest ledger, then migrate-flow ledger verify; "
                f"where somebody answers for the change: rm {shlex.join(problems)}",
                where=self.ledger.describe(),
            )
        if len(seen) < 2 or any((note.ledger, note.head) != (history.ledger, history.head) for note in seen):
            self._note(history)

    def _note(self, history: History) -> None:
        self.heads.note(history.ledger, history.head)

    def catch_up(self) -> None:
        """Take in what others appended since this process read the ledger: who had to wait for a lock knows only the
        past."""
        self._take_in(self.history)
        self._note(self.history)

    def _take_in(self, history: History) -> None:
        (last,) = self.entries([history.head.seq]) or (None,)
        if last is None or last.hash != history.head.hash:
            raise self._another(history.head.seq)
        fold(self.ledger.entries(history.head.seq), self._verifier.key_of, history)

    @cached_property
    def offset(self) -> timedelta:
        """How far the ledger server's clock is ahead of this machine's."""
        return self.ledger.clock_offset()

    def _require_clock(self) -> None:
        """A time that is signed must be one that others can believe."""
        if abs(self.offset) > TOLERANCE:
            minutes = abs(self.offset).total_seconds() / 60
            way = "behind" if self.offset > timedelta() else "ahead of"
            raise Refused(
                f"this machine's clock is {minutes:.0f} minutes {way} the ledger's server",
                hint="set it (timedatectl set-ntp true), then run the command again",
                where=self.ledger.describe(),
            )

    def clock(self) -> datetime:
        """The ledger server's clock, or this machine's. For what must have lasted a while, or is allowed at certain
        hours: no entry that says a time to come ends the wait."""
        return self._clock() + self.offset

    def now(self) -> datetime:
        """What an entry says: the clock, and not earlier than the last entry, but for one that says a time to come."""
        return min(self.latest(), self.clock() + TOLERANCE)

    def latest(self) -> datetime:
        """The clock, and never earlier than any entry. For what runs out: rather too early than too late."""
        now = self.clock()
        return max(now, self.history.last_at or now)

    def entries(self, seqs: Sequence[int]) -> list[Entry]:
        """The entries at these positions, in order."""
        return self.ledger.at(sorted(set(seqs)))

    def as_read(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The same. Raises LedgerError where one is not what the history was made from."""
        for entry in entries:
            if entry.hash != self.history.hashes.get(entry.seq):
                raise self._another(entry.seq)
            yield entry

    def _another(self, seq: int) -> LedgerError:
        return LedgerError(
            f"the ledger can't be trusted: entry {seq} is not the one that was read a moment ago",
            hint="migrate-flow ledger verify",
            where=self.ledger.describe(),
        )

    def signature_problems(self, seqs: Sequence[int]) -> tuple[str, ...]:
        """What is wrong with the signatures at these positions, in sentences. Each is verified once a process: an
        entry's bytes can't change under its place in the chain."""
        todo = [seq for seq in sorted(set(seqs)) if seq not in self._verified]
        found = {seq: f"entry {seq}: it is not there any more" for seq in todo}
        for entry in self.ledger.signed(todo):
            try:
                self._verifier.verify(entry.statement, entry.signature)
                problem = (
                    "" if entry.hash == self.history.hashes.get(entry.seq) else "it is not the entry that was read"
                )
            except ValueError as error:
                problem = str(error)
            found[entry.seq] = f"entry {entry.seq} by {entry.actor}: {problem}" if problem else ""
        self._verified |= found
        return tuple(self._verified[seq] for seq in sorted(set(seqs)) if self._verified.get(seq))

    def ready(self, kind: Kind) -> Signer:
        """Who would sign an entry of this kind now, for commands that change something before they append.

        Raises Refused for a wrong clock, IdentityError for a signer whom the policy does not know or let sign that.
        """
        self._require_clock()
        signer = self._signer()
        know(self.history, signer)
        if signer.person == RECOVERY and kind not in GOVERNING:
            raise IdentityError(
                "a recovery key signs policies and key revocations, and nothing else",
                hint="unset MIGRATE_FLOW_SIGNING_KEY_FILE, or let it point to a person's key",
            )
        return signer

    def append(self, draft: Draft, recheck: Recheck = _fine) -> Entry:
        """Sign and append. recheck: called with the history again if others appended meanwhile; raises to refuse.

        Raises IdentityError for a signer whom the policy does not know, LedgerError, BusyError.
        """
        from uuid import uuid4

        signer, history = self.ready(draft.kind), self.history
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
        signature = signer.sign(signed)

        def again(history: History) -> None:
            know(history, signer)
            recheck(history)

        entry = self.append_signed(signed, signature, again, draft.artifacts)
        if not entry.kind.startswith("apply."):  # whoever applies has more to do than to say so
            self.require_counts(entry)
        return entry

    def require_counts(self, entry: Entry) -> None:
        """Raises Refused where an entry that was just appended does not count: somebody else was faster."""
        flaw = next((said.flaw for said in self.history.flawed if said.seq == entry.seq), "")
        if flaw:
            hint = "migrate-flow log; then see what is to be done now: migrate-flow status"
            raise Refused(f"it was recorded, and does not count: {flaw}", hint=hint, where=f"entry {entry.seq}")

    def append_signed(
        self, signed: bytes, signature: str, recheck: Recheck = _fine, artifacts: Sequence[bytes] = ()
    ) -> Entry:
        """Append what is signed already, as `append`."""
        history = self.history

        def catch_up(entries: Sequence[Entry]) -> None:
            # A ledger that had to try again gives the same ones once more.
            fresh = [entry for entry in entries if entry.seq > history.head.seq]
            fold(fresh, self._verifier.key_of, history)
            recheck(history)

        try:
            entry = self.ledger.append(signed, signature, artifacts, seen=history.head, recheck=catch_up)
        except MigrateFlowError:
            raise
        except OSError as error:
            raise LedgerError(
                f"the ledger can't be written: {error.strerror}",
                hint="migrate-flow doctor",
                where=self.ledger.describe(),
            ) from error
        fold([entry], self._verifier.key_of, history)
        self._note(history)
        self._appended(entry)
        return entry


def unlike(history: History, seen: SeenHead) -> str:
    """In what the ledger differs from what was seen of it; empty if it goes on from there."""
    if seen.ledger != history.ledger:
        succeeds = history.succeeds
        if succeeds and succeeds.ledger == seen.ledger and succeeds.head.seq >= seen.head.seq:
            return ""  # its genesis names the old one, and says why
        return f"another ledger ({history.ledger}) stands where {seen.ledger} was seen: it was replaced"
    noted = f"this machine saw entry {seen.head.seq} as sha256:{seen.head.hash[:12]}…"
    if seen.head.seq > history.head.seq:
        return f"{noted}, and now it ends with entry {history.head.seq}: it was restored from a backup, or cut off"
    here = history.hash if seen.head.seq == history.seq else history.hashes.get(seen.head.seq) or ""
    if here != seen.head.hash:
        return f"{noted}, and now it is sha256:{here[:12]}…: it was edited, forked or restored"
    return ""


def know(history: History, signer: Signer) -> None:
    """Raises IdentityError unless the policy in force knows the signer by this very key, and it was not revoked."""
    keys = history.policy.keys_of(signer.person)
    add = f"migrate-flow people add {signer.person} --role ROLE --key '{signer.public_key}'"
    if not keys and signer.person not in history.policy.people:
        raise IdentityError(f"{signer.person} is not in the policy", hint=f"{add}, then migrate-flow policy record")
    if signer.public_key not in keys:
        raise IdentityError(
            f"the key found for {signer.person} is not one that the policy knows",
            hint=f"use the right key, or: {add}, then migrate-flow policy record",
        )
    if revocation := history.revoked.get(signer.public_key):
        raise IdentityError(
            f"the key of {signer.person} was revoked by {revocation.by} (entry {revocation.seq})",
            hint=f"migrate-flow keys new {signer.person}, then let a policy-admin run: "
            f"migrate-flow people add {signer.person} --key 'KEY' --record",
        )
