"""Wires an export. No workspace: it would hold the whole past, and ask for a checkout that no auditor need have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from migrate_flow.bootstrap import ledgers, wiring
from migrate_flow.bootstrap.hearing import hooks
from migrate_flow.bootstrap.keyring import KeyRing, SshsigVerifier
from migrate_flow.services.book import know
from migrate_flow.services.export import Archive, SurveyedBook

if TYPE_CHECKING:
    from migrate_flow.core.chain import SeenHead
    from migrate_flow.core.history import History
    from migrate_flow.services.ports import Signer


def archive(path: Path | None, wanted: str, *, asks: bool = True) -> Archive:
    """wanted: whose key signs, empty for the default. Raises ConfigError, LedgerError."""
    config = wiring.load_config(path)
    ring, verifier = KeyRing(config.root, asks=asks), SshsigVerifier()
    ledger, told = wiring.open_ledger(config), hooks(config)
    heads = ledgers.local_heads(config.root, ledger.describe())

    def actor(history: History) -> str:
        return ring.actor(wanted, history.policy, revoked=history.revoked)

    def book(history: History, seen: SeenHead | None) -> SurveyedBook:
        def signer() -> Signer:
            found = ring.signer_for(actor(history), history.policy, revoked=history.revoked)
            know(history, found)
            return found

        made = SurveyedBook(
            ledger,
            verifier,
            signer,
            wiring.now,
            heads,
            ledger_id=config.ledger.id,
            genesis=config.ledger.genesis,
            appended=told.heard,
        )
        made.surveyed, made.seen = history, seen
        return made

    return Archive(
        config=config,
        ledger=ledger,
        verifier=verifier,
        seen=heads.newest,
        book=book,
        actor=actor,
        target=lambda name, person: wiring.target(config, name, person),
        tell=told.run,
    )
