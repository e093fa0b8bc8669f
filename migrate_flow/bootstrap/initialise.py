"""`init`: what was wished for, what the machine and the Alembic project say, and the wiring of the service."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from migrate_flow.alembic_adapter.settings import AlembicSettings, read_settings
from migrate_flow.bootstrap import ledgers
from migrate_flow.bootstrap.alembic_project import Asked, asked, find_alembic
from migrate_flow.bootstrap.keyring import KeyRing, SshsigVerifier, git_email
from migrate_flow.bootstrap.ledgers import local_heads
from migrate_flow.bootstrap.urls import url_dialect
from migrate_flow.bootstrap.wiring import now
from migrate_flow.config.below import below
from migrate_flow.config.load import FILE_NAME, Config, load
from migrate_flow.config.schema import schema
from migrate_flow.core.chain import Head
from migrate_flow.core.lifecycle import fold
from migrate_flow.errors import IdentityError, LedgerError, UsageError
from migrate_flow.ledger.store import LedgerStore, locate
from migrate_flow.services.init import DEFAULT_ROLES, Initialised, Request, init, init_from_file
from migrate_flow.signing.keys import create_file

if TYPE_CHECKING:
    from migrate_flow.heads import LocalHeads
    from migrate_flow.services.ports import Signer

Write = Callable[[Path, str], None]
JOINER_ROLES = ("developer",)


@dataclass(frozen=True, slots=True)
class Wishes:
    """The options of `init`, as given. people: ``EMAIL`` or ``EMAIL=ROLE,ROLE``; environments: ``NAME=URL``."""

    folder: Path
    environments: tuple[str, ...]
    ledger: str
    people: tuple[str, ...]
    roles: tuple[str, ...]
    alembic: str
    key_store: str
    recovery: Path | None = None
    succeeds: str = ""
    why: str = ""


def initialise(wishes: Wishes, write: Write) -> Initialised:
    """Raises UsageError, ConfigError, IdentityError, LedgerError; then no configuration is written."""
    path = wishes.folder / FILE_NAME
    config = load(path) if path.exists() or path.is_symlink() else None
    alembic = config.project.alembic if config else find_alembic(wishes.folder, wishes.alembic)
    settings = read_settings(wishes.folder / alembic, config.project.alembic_section if config else "alembic")
    env_py = asked(wishes.folder, settings) if config is None else Asked()
    request = Request(
        root=wishes.folder,
        project=_project_name(wishes.folder),
        alembic=alembic,
        section="alembic",
        environments=[_environment(text) for text in wishes.environments],
        people=_people(wishes, JOINER_ROLES if config and config.ledger.id else DEFAULT_ROLES),
        ledger_url=wishes.ledger,
        key_store=wishes.key_store,
        fallback_url=_usable_url(settings),
        recovery=wishes.recovery,
        succeeds=wishes.succeeds,
        why=wishes.why,
        url_env=env_py.url_env,
        flask_app=env_py.flask_app,
        warnings=env_py.warnings,
    )
    if wishes.succeeds:
        project = config.project.name if config else request.project
        command = "migrate-flow init -m WHY --succeeds OLD_URL, OLD_URL being"
        ledgers.require_usable(wishes.succeeds, project, command, "--succeeds")
    tools = InitTools(wishes.folder, config.project.name if config else request.project)

    def store(text: str) -> None:
        _prepare_folder(wishes.folder, write)
        write(path, text)

    done = init_from_file(config, request, tools, store) if config else init(request, tools, store)
    if tools.heads is not None:  # opened on purpose: what was seen there before is no alarm
        tools.heads.note(done.ledger, Head(1, done.genesis))
    return done


def lacks_alembic(wishes: Wishes) -> bool:
    if (wishes.folder / FILE_NAME).exists():
        return False
    if wishes.alembic or below(wishes.folder, ["alembic.ini"]):
        return False
    try:
        find_alembic(wishes.folder, "")
    except UsageError:
        return True
    return False


def make_alembic_project(folder: Path) -> None:
    """As ``alembic init migrations``."""
    from migrate_flow.alembic_adapter.new import make_project

    make_project(folder)


def _environment(text: str) -> tuple[str, str]:
    name, separator, url = text.partition("=")
    if not separator or not name or not url:
        # The value is not repeated: it may hold a password.
        raise UsageError("--env takes NAME=URL", hint="--env dev=sqlite:///dev.db", where="--env")
    return name, url


def _people(wishes: Wishes, usual: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """By address, in the order given; the first opens the ledger."""
    given = wishes.people or tuple(filter(None, [git_email()]))
    if not given:
        raise IdentityError(
            "who are you? git knows no user.email here",
            hint="migrate-flow init --person you@example.com",
            where="--person",
        )
    default = wishes.roles or usual
    people: dict[str, tuple[str, ...]] = {}
    for text in given:
        person, separator, roles = text.partition("=")
        people[person.strip().lower()] = tuple(filter(None, roles.split(","))) if separator else default
    return people


def _project_name(folder: Path) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name).strip("-") or "project"


def _usable_url(settings: AlembicSettings) -> str:
    """The URL in Alembic's own configuration; empty for none, and for the placeholder of its template."""
    url = settings.sqlalchemy_url or ""
    return "" if url.startswith("driver://") else url


def _prepare_folder(folder: Path, write: Write) -> None:
    """`.migrate-flow/` ignores itself in git, and holds the schema that editors read."""
    import json

    own = folder / ".migrate-flow"
    own.mkdir(exist_ok=True)
    write(own / ".gitignore", "*\n")
    write(own / "schema.json", json.dumps(schema(), indent=2) + "\n")


class InitTools:
    """Implements `services.init.Tools`. project: the name under which the OS keyring holds its URLs."""

    now = staticmethod(now)

    def __init__(self, root: Path, project: str) -> None:
        self._ring = KeyRing(root)
        self._ledger = ledgers.NewLedger(project)
        self.heads: LocalHeads | None = None  # of the ledger that was created

    def key(self, person: str, store: str) -> tuple[str, str]:
        self._ring.require_sound()
        found = next((key for key in self._ring.local if key.person == person), None)
        found = found or self._ring.create(person, store)
        return found.public_key, found.where

    def signer(self, person: str, public_key: str) -> Signer:
        ring = KeyRing(self._ring.root)
        key = next(key for key in ring.local if key.public_key == public_key)
        return ring.signer(key, person)

    def recovery_key(self, path: Path) -> str:
        return create_file(path.expanduser()).public_key

    def last_of(self, url: str, config: Config) -> tuple[str, Head]:
        old = locate(ledgers.resolve(url, config.project.name), config.root)
        try:
            history = fold(old.open().entries(), SshsigVerifier().key_of)
        except (LedgerError, ValueError, KeyError, TypeError):
            heads = local_heads(config.root, old.describe())
            seen = heads.of(config.ledger.id) or heads.newest()
            if seen is None or seen.ledger != config.ledger.id:
                raise
            return seen.ledger, seen.head  # it is gone or broken: what this machine saw of it last
        return history.ledger, history.head

    def create_ledger(self, url: str, root: Path) -> LedgerStore:
        store = self._ledger.create(url, root)
        self.heads = local_heads(root, store.describe())
        return store

    def remove_ledger(self, url: str, root: Path) -> None:
        self._ledger.remove()

    def dialect(self, url: str, fallback: str) -> str:
        return url_dialect(url) or fallback
