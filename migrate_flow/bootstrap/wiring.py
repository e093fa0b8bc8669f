"""From options and configuration to a workspace."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from migrate_flow.bootstrap import ledgers
from migrate_flow.bootstrap.hearing import hooks
from migrate_flow.bootstrap.later import later
from migrate_flow.bootstrap.project import checkout as checkout
from migrate_flow.bootstrap.project import load_config as load_config
from migrate_flow.bootstrap.project import runner as runner
from migrate_flow.services.book import Appended, Book, know
from migrate_flow.services.workspace import Workspace

if TYPE_CHECKING:
    from migrate_flow.alembic_adapter.checkout import Checkout
    from migrate_flow.bootstrap.keyring import KeyRing
    from migrate_flow.config.load import Config
    from migrate_flow.git import Git
    from migrate_flow.ledger.store import LedgerStore
    from migrate_flow.services.check import Checks
    from migrate_flow.services.detached import Apart
    from migrate_flow.services.lint import Project
    from migrate_flow.services.ports import Signer, Target, Verifier


def now() -> datetime:
    return datetime.now(UTC)


def target(config: Config, environment: str, person: str) -> Target:
    """The environment's database; its URL is resolved at the first use."""
    from migrate_flow.bootstrap.urls import environment_url
    from migrate_flow.database import DatabaseTarget

    return DatabaseTarget(
        environment=environment,
        dialect=config.environments[environment].dialect,
        root=config.root,
        person=person,
        url=cache(lambda: environment_url(config, environment)),  # it may ask the keyring
    )


def lint_project(path: Path | None, *, squawk: bool) -> Project:
    """What lint needs, the ledger apart, which is not opened. Raises ConfigError."""
    config = load_config(path)
    return _project(config, checkout(config), squawk=squawk)


def checks(config: Config, *, squawk: bool = True) -> Checks:
    """The static rules and rehearsals over the scripts of this checkout. Raises ConfigError."""
    from migrate_flow.bootstrap.rehearsals import ScratchRehearser  # half a second, which lint does without
    from migrate_flow.services.check import Checks

    scripts = checkout(config)
    return Checks(_project(config, scripts, squawk=squawk), ScratchRehearser(config, scripts))


def _project(config: Config, scripts: Checkout, *, squawk: bool) -> Project:
    from migrate_flow import squawk as program
    from migrate_flow.services.lint import Project

    asked = program if squawk else None
    return Project(config, scripts, scripts.source, _git(config).since, asked, scripts.settings.file_template)


def _git(config: Config) -> Git:
    from migrate_flow.git import Git

    return Git(config.root)


def open_ledger(config: Config) -> LedgerStore:
    return ledgers.open_ledger(config)


def workspace(
    path: Path | None, wanted: str, *, asks: bool = True, reads: bool = False, only_shows: bool = False
) -> Workspace:
    """Everything, wired. wanted: whose key signs, empty for the default. asks: somebody may be asked for a passphrase.
    reads: nothing will be signed, so what an earlier fold came to may be used. only_shows: nor judged, see `checkout`.
    Raises ConfigError, LedgerError."""
    config = load_config(path)
    ring = later(lambda: _keys(config, asks=asks))
    scripts = checkout(config, only_shows=only_shows)
    verifier = later(_verifier)
    wired: Workspace

    def signer() -> Signer:
        if only_shows:  # the headers may come from a cache
            raise RuntimeError("a command that only shows can't sign")
        found = ring.signer_for(wired.actor, wired.policy, revoked=wired.history.revoked)
        know(wired.history, found)
        return found

    def look_at(environment: str) -> Target:
        from migrate_flow.bootstrap.glimpse import glimpse

        return glimpse(config, environment, lambda: target(config, environment, wired.actor))

    told = hooks(config)
    book = _glance(config, verifier) if reads or only_shows else _book(config, verifier, signer, told.heard)
    wired = Workspace(
        config=config,
        book=book,
        scripts=scripts,
        runner=later(lambda: runner(config, scripts)),
        target=cache(lambda name: look_at(name) if reads or only_shows else target(config, name, wired.actor)),
        signer=signer,
        who=lambda: wanted or ring.actor("", book.history.policy, revoked=book.history.revoked),
        verifier=verifier,
        clock=now,
        authors=later(lambda: _git(config)),
        tell=told.run,
    )
    if not only_shows:  # what is wrong with a key or the ledger is told before anything is begun
        _ = wired.actor
    return wired


def _keys(config: Config, *, asks: bool) -> KeyRing:
    from migrate_flow.bootstrap.keyring import KeyRing

    return KeyRing(config.root, asks=asks)


def _verifier() -> Verifier:
    from migrate_flow.bootstrap.keyring import SshsigVerifier

    return SshsigVerifier()


def _book(config: Config, verifier: Verifier, signer: Callable[[], Signer], heard: Appended) -> Book:
    ledger = open_ledger(config)
    heads, anchor = ledgers.local_heads(config.root, ledger.describe()), config.ledger
    return Book(ledger, verifier, signer, now, heads, ledger_id=anchor.id, genesis=anchor.genesis, appended=heard)


def _glance(config: Config, verifier: Verifier) -> Book:
    from migrate_flow import cache_folder
    from migrate_flow.ledger.read_model import ReadModel
    from migrate_flow.services.glance import Glance

    ledger = open_ledger(config)
    heads, anchor = ledgers.local_heads(config.root, ledger.describe()), config.ledger
    place = f"{anchor.id} {ledger.describe()} {config.root.absolute()}"
    model = ReadModel(cache_folder.path("ledgers"), place)
    return Glance(ledger, verifier, now, heads, model, ledger_id=anchor.id, genesis=anchor.genesis)


def apart(path: Path | None, wanted: str, *, asks: bool = True) -> Apart:
    """What a review needs that is signed away from the ledger, which is not opened. Raises ConfigError."""
    from migrate_flow.services.detached import Apart

    config = load_config(path)
    ring = _keys(config, asks=asks)
    person = ring.actor(wanted, config.policy)
    return Apart(config, checkout(config), _git(config), lambda: ring.signer_for(person, config.policy), now)
