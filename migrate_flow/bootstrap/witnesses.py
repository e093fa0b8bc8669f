"""Who has seen the ledger besides itself: this user's own note, and the newest receipt of each database in reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate_flow.bootstrap.ledgers import seen_heads
from migrate_flow.bootstrap.wiring import target
from migrate_flow.core.chain import Head
from migrate_flow.services.verify_ledger import Seen

if TYPE_CHECKING:
    from migrate_flow.config.load import Config
    from migrate_flow.services.ports import Ledger


def witnesses(config: Config, ledger: Ledger) -> tuple[list[Seen], list[str]]:
    """The heads that they saw, and who could not be asked, in sentences. Changes nothing."""
    seen = [Seen("this machine's note", note.head) for note in seen_heads(config, ledger)]
    silent = []
    for name in config.environments:
        looked = target(config, name, "").observe()
        receipt, identity = looked.receipt, looked.identity
        if looked.problem:
            silent.append(f"{name} was not asked for its newest receipt: {looked.problem}")
        elif receipt is not None and identity is not None and identity.ledger == (config.ledger.id or identity.ledger):
            seen.append(Seen(f"the newest receipt of {name}", Head(receipt.ledger_seq, receipt.ledger_hash)))
    return seen, silent
