"""From `[ledger] url` to the ledger: a literal, env:NAME or keyring:NAME."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from migrate_flow.config.urls import flaw
from migrate_flow.errors import BusyError, ConfigError, LedgerError, UsageError
from migrate_flow.heads import LocalHeads
from migrate_flow.ledger import store
from migrate_flow.ledger.schema import NONE_YET

if TYPE_CHECKING:
    from migrate_flow.config.load import Config
    from migrate_flow.core.chain import SeenHead
    from migrate_flow.ledger.store import LedgerStore, Upgraded
    from migrate_flow.services.copy_ledger import Copied
    from migrate_flow.services.ports import Ledger

WHERE = "[ledger] url"
SCHEMES = ("sqlite", "postgresql")


def resolve(written: str, project: str) -> str:
    """The URL itself. Raises ConfigError, never with the value in it."""
    kind, _, name = written.partition(":")
    if kind == "env":
        value = os.environ.get(name, "")
        if not value:
            raise ConfigError(
                f"the variable {name} is not set, which holds the ledger's URL",
                hint=f"export {name}='postgresql://user:password@host/database'",
                where=WHERE,
            )
        return value
    return _from_keyring(name, project) if kind == "keyring" else written


def _from_keyring(name: str, project: str) -> str:
    from migrate_flow import credentials
    from migrate_flow.bootstrap.urls import URL_SERVICE

    instead = 'export LEDGER_DATABASE_URL=…, and url = "env:LEDGER_DATABASE_URL" in migrate-flow.toml'
    value = credentials.get(URL_SERVICE, f"{project}/{name}", instead=instead)
    if not value:
        raise ConfigError(
            f"the keyring holds no URL under {name!r}", hint=f"keyring set {URL_SERVICE} {project}/{name}", where=WHERE
        )
    return value


def open_ledger(config: Config) -> LedgerStore:
    """Raises ConfigError, LedgerError."""
    try:
        return store.open_store(resolve(config.ledger.url, config.project.name), config.root)
    except LedgerError as error:
        if error.hint != NONE_YET or not config.ledger.id:
            raise
        raise LedgerError(
            f"the ledger of this project ({config.ledger.id[:8]}…) is not here",
            hint="correct [ledger] url; one in a file belongs to one machine, a team keeps it on PostgreSQL; "
            "where it is lost: migrate-flow init --succeeds OLD_URL -m WHY",
            where=error.where,
        ) from error


def local_heads(root: Path, where: str) -> LocalHeads:
    """What was seen of the ledger that lies there. where: as the ledger describes it; a file's is relative to root."""
    return LocalHeads(where if "://" in where else str((root / where).absolute()), root)


def seen_heads(config: Config, ledger: Ledger) -> list[SeenHead]:
    """What this machine saw of a ledger, in its place and in any. Never raises."""
    heads = local_heads(config.root, ledger.describe())
    named = config.ledger.id
    with suppress(LedgerError, ValueError, LookupError, TypeError, AttributeError):  # whatever its first entry is
        named = named or str(ledger.at([1])[0].predicate["ledger"])
    here, anywhere = heads.newest(), heads.of(named)
    found = [note for note in (here, anywhere) if note is not None]
    return found[:1] if len({note.head for note in found}) == 1 else found


@dataclass(frozen=True, slots=True)
class CopiedTo:
    """source, destination: as messages name them. url: as it was given, for the configuration."""

    copied: Copied
    source: str
    destination: str
    url: str


def copy(config: Config, new_url: str) -> CopiedTo:
    """Copy the configured ledger to a new one. new_url: as in the configuration. Raises UsageError, LedgerError."""
    require_usable(new_url, config.project.name, "migrate-flow ledger copy NEW_URL, NEW_URL being", "NEW_URL")
    from migrate_flow.services.copy_ledger import copy as copy_rows

    source = open_ledger(config)
    _require_same_past(config, source)
    new = store.locate(resolve(new_url, config.project.name), config.root)
    copied = copy_rows(source, new.create, genesis=config.ledger.genesis)
    return CopiedTo(copied, source.describe(), new.describe(), new_url)


def require_usable(url: str, project: str, command: str, where: str) -> None:
    """Raises UsageError for a URL of a ledger that a command line should not hold. command: what the hint begins with,
    before how to write it."""
    if problem := flaw(url, SCHEMES, name="ledger"):
        message = problem[0]
        if "password" in message:
            message = "the URL holds a password, and a command line is no place for one"
        raise UsageError(message, hint=f"{command} {literal_hint(project)}", where=where)


def _require_same_past(config: Config, source: LedgerStore) -> None:
    """A ledger that was cut off is not copied: on another machine, nobody has seen more of it."""
    for seen in seen_heads(config, source):
        here = source.at([seen.head.seq])
        if not here or here[0].hash != seen.head.hash:
            raise LedgerError(
                f"the ledger can't be trusted: this machine saw entry {seen.head.seq} as "
                f"sha256:{seen.head.hash[:12]}…, which it does not hold",
                hint="restore the newest ledger, then migrate-flow ledger verify",
                where=source.describe(),
            )


def literal_hint(project: str) -> str:
    """What to write instead of a URL with a secret."""
    return (
        f'"env:LEDGER_DATABASE_URL" or "keyring:ledger" (stored by: keyring set migrate-flow:url {project}/ledger), '
        "or a URL without password"
    )


def upgrade(config: Config) -> tuple[Upgraded, str]:
    """And the place. Raises LedgerError, BusyError."""
    ledger = open_ledger(config)
    return ledger.upgrade(), ledger.describe()


def grants(config: Config, role: str) -> str:
    """SQL. Raises UsageError for a ledger that is not on PostgreSQL."""
    return open_ledger(config).grants(role)


class NewLedger:
    """The ledger that `init` makes, and takes back if the rest fails. name: the project's."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._made: LedgerStore | None = None

    def create(self, url: str, root: Path) -> LedgerStore:
        made = store.create_store(resolve(url, self._name), root)
        self._made = made
        return made

    def remove(self) -> None:
        """Only what was made here, and only if nobody else has written to it."""
        if self._made is not None:
            with suppress(LedgerError, BusyError):  # why init failed is what has to be told
                self._made.remove()
