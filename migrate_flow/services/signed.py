"""Entries in order, each as the ledger's own reader gives it and with the key that signed it, judged on all cores.

What a row shows by itself is judged as `ledger verify` judges it (`verify_chunk`, `verify_processes`), while whoever
asks for the entries does something with the earlier ones.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING

from migrate_flow.core import canonical
from migrate_flow.core.chain import ORIGIN
from migrate_flow.core.entry import Entry, project
from migrate_flow.errors import LedgerError
from migrate_flow.services.survey import broken
from migrate_flow.services.verify_chunk import Row, chunks
from migrate_flow.services.verify_processes import judged

if TYPE_CHECKING:
    from migrate_flow.services.ports import Ledger, Verifier


def signed(ledger: Ledger, verifier: Verifier, last: int, processes: int = 0) -> Generator[tuple[Entry, str]]:
    """Entries up to a position, each with the public key that signed it. processes: 0 for one a core. Close it, to end
    them.

    Raises LedgerError for an entry that does not continue the chain, is no statement of ours, or has a signature that
    is not valid.
    """
    rows = islice(ledger.raw_rows(), last)
    prev = ORIGIN
    with closing(judged(chunks(rows), verifier.verify, processes, ledger.describe())) as verdicts:
        for expected, (row, shown) in enumerate(verdicts, start=1):
            seq, before, stored, statement, signature = row[:5]
            if seq != expected:
                raise broken(ledger, f"entry {expected} is missing")
            if before != prev:
                raise broken(ledger, f"entry {expected} does not continue the chain")
            if shown.problems:
                yield _doubtful(ledger, verifier, row)
            else:
                # Without a fault it was read in the one way that there is, here or in another process.
                document = canonical.known(statement) if shown.document is None else shown.document
                yield project(seq, before, statement, signature, document=document, stored=stored), shown.key
            prev = stored


def _doubtful(ledger: Ledger, verifier: Verifier, row: Row) -> tuple[Entry, str]:
    """The ledger's own reader has a word for what is wrong with a row, or finds that it can be read all the same."""
    entry = next(iter(ledger.at([row[0]])), None)
    if entry is None or entry.hash != row[2]:
        raise broken(ledger, f"entry {row[0]} is not the one that was read a moment ago")
    try:
        return entry, verifier.verify(entry.statement, entry.signature)
    except ValueError as error:
        raise LedgerError(
            f"the ledger can't be trusted: the signature of entry {entry.seq} is not valid: {error}",
            hint="migrate-flow ledger verify",
            where=ledger.describe(),
        ) from error
