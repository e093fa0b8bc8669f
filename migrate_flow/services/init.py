"""Puts an Alembic project under the flow: configuration, keys, and the ledger with its genesis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from migrate_flow.config.edit import add_person, add_recovery_key, set_ledger, set_ledger_url
from migrate_flow.config.load import FILE_NAME, Config, parse
from migrate_flow.config.render import render
from migrate_flow.config.urls import DEFAULT_LEDGER
from migrate_flow.core.history import Succession
from migrate_flow.core.policy import POLICY_ADMIN, shortages
from migrate_flow.errors import Refused, UsageError
from migrate_flow.services.found import found
from migrate_flow.services.review import require_comment

if TYPE_CHECKING:
    from migrate_flow.core.chain import Head
    from migrate_flow.services.ports import Clock, Ledger, Signer

DEFAULT_ROLES = ("developer", "backend-lead", POLICY_ADMIN)


class Tools(Protocol):
    """What init needs from the machine; bootstrap provides it."""

    def key(self, person: str, store: str) -> tuple[str, str]:
        """The person's public key, made if there is none here, and where it lies."""
        ...

    def signer(self, person: str, public_key: str) -> Signer: ...

    def recovery_key(self, path: Path) -> str:
        """The public half of a new key whose private half is written there. Raises IdentityError."""
        ...

    def last_of(self, url: str, config: Config) -> tuple[str, Head]:
        """Id and newest head of an old ledger; of one that can't be read, what was seen of it here. Raises
        LedgerError."""
        ...

    def create_ledger(self, url: str, root: Path) -> Ledger: ...

    def remove_ledger(self, url: str, root: Path) -> None: ...

    def dialect(self, url: str, fallback: str) -> str:
        """The dialect of a URL value; fallback where it can't be told. Raises ConfigError."""
        ...

    @property
    def now(self) -> Clock: ...


@dataclass(frozen=True, slots=True)
class Request:
    """environments: (name, url) in order of promotion. people: by e-mail address, the first opens the ledger.

    alembic: Alembic's configuration file, relative to root. fallback_url: the URL that it holds, empty if none.
    ledger_url: empty for the usual one. recovery: where an offline key's private half is to be written. succeeds: URL
    of the ledger that a new one follows, for the reason why. url_env, flask_app: what env.py asks for, empty if
    nothing. warnings: what env.py does that the flow can't run with.
    """

    root: Path
    project: str
    alembic: str
    section: str
    environments: Sequence[tuple[str, str]]
    people: Mapping[str, Sequence[str]]
    ledger_url: str
    key_store: str
    fallback_url: str = ""
    recovery: Path | None = None
    succeeds: str = ""
    why: str = ""
    url_env: str = ""
    flask_app: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Initialised:
    """keys: (person, public key, where it lies). recovery: where the offline key was written. succeeds: the ledger that
    the new one follows. joined: the configuration names a ledger already, so only a key
    was made. warnings: what nobody can meet yet, and lines of env.py that the flow can't run with."""

    root: Path
    keys: tuple[tuple[str, str, str], ...]
    roles: Mapping[str, tuple[str, ...]]
    environments: tuple[str, ...] = ()
    ledger: str = ""
    genesis: str = ""
    joined: bool = False
    warnings: tuple[str, ...] = field(default=())
    recovery: str = ""
    succeeds: Succession | None = None


def init(request: Request, tools: Tools, write: Callable[[str], None]) -> Initialised:
    """A project without configuration. write: stores the configuration's text. Raises UsageError, ConfigError."""
    environments = list(request.environments) or _from_alembic(request)
    dialects = _dialects(environments, tools, request.fallback_url)
    path = request.root / FILE_NAME
    layout = [(name, url, dialects[name]) for name, url in environments]

    def rendered(people: Mapping[str, tuple[Sequence[str], Sequence[str]]]) -> str:
        return render(
            project=request.project,
            environments=layout,
            people=people,
            alembic=request.alembic,
            alembic_section=request.section,
            url_env=request.url_env,
            flask_app=request.flask_app,
            ledger_url=request.ledger_url or DEFAULT_LEDGER,
        )

    # Judged once without keys: nothing is made for a configuration that could not be used.
    parse(rendered({name: (roles, []) for name, roles in request.people.items()}), path)
    keys = [(person, *tools.key(person, request.key_store)) for person in request.people]
    people = {person: (list(request.people[person]), [public]) for person, public, _where in keys}
    if request.succeeds:
        raise UsageError(
            "there is no migrate-flow.toml here whose ledger could be followed by a new one",
            hint="go to the project's folder, or leave --succeeds out",
            where="--succeeds",
        )
    return _open(rendered(people), path, keys, request, tools, write)


def init_from_file(config: Config, request: Request, tools: Tools, write: Callable[[str], None]) -> Initialised:
    """A configuration is there. With a ledger named in it: only a key, or a new ledger that follows it. Without: its
    first ledger is opened."""
    if config.ledger.id and request.succeeds:
        return _succeed(config, request, tools, write)
    if config.ledger.id and request.recovery:
        raise UsageError(
            "this project has its ledger: another recovery key is a change of the policy",
            hint="ssh-keygen -t ed25519 -N '' -f FILE; its public half into [policy] recovery_keys; "
            "then migrate-flow policy record",
            where="--recovery-key",
        )
    keys = [(person, *tools.key(person, request.key_store)) for person in request.people]
    if config.ledger.id:
        insiders = {person for person, public, _where in keys if config.policy.owners.get(public) == person}
        roles = {person: tuple(request.people[person]) for person in request.people if person not in insiders}
        return Initialised(config.root, tuple(keys), roles, joined=True)
    text = config.text
    for person, public, _where in keys:
        known = person in config.policy.people
        text = add_person(text, person, () if known else request.people[person], [public])
    return _open(text, config.path, keys, request, tools, write)


def _succeed(config: Config, request: Request, tools: Tools, write: Callable[[str], None]) -> Initialised:
    """The last resort: nothing that the old ledger approved counts in the new one, which says what it follows."""
    require_comment(request.why, needed=True)
    ledger, head = tools.last_of(request.succeeds, config)
    if ledger != config.ledger.id:
        raise Refused(
            f"that is ledger {ledger}, the configuration names {config.ledger.id}",
            hint=f"migrate-flow init --succeeds {config.ledger.url} --ledger NEW_URL -m WHY",
            where="--succeeds",
        )
    keys = [(person, *tools.key(person, request.key_store)) for person in request.people]
    text = set_ledger_url(config.text, request.ledger_url) if request.ledger_url else config.text
    return _open(text, config.path, keys, request, tools, write, Succession(ledger, head, request.why))


def _open(
    text: str,
    path: Path,
    keys: Sequence[tuple[str, str, str]],
    request: Request,
    tools: Tools,
    write: Callable[[str], None],
    succeeds: Succession | None = None,
) -> Initialised:
    config = parse(text, path)
    opener = next((person for person, _k, _w in keys if config.policy.has_role(person, [POLICY_ADMIN])), None)
    if opener is None:
        raise Refused(
            f"nobody among {', '.join(person for person, _k, _w in keys)} holds the role {POLICY_ADMIN}",
            hint=f"migrate-flow init --person {keys[0][0]} --role {POLICY_ADMIN} …",
            where="--role",
        )
    public = next(public for person, public, _where in keys if person == opener)
    ledger = tools.create_ledger(config.ledger.url, config.root)
    try:
        if request.recovery:
            text = add_recovery_key(text, tools.recovery_key(request.recovery))
            config = parse(text, path)
        entry = found(ledger, config.project.name, config.policy, tools.signer(opener, public), tools.now, succeeds)
        write(set_ledger(text, entry.predicate["ledger"], f"sha256:{entry.hash}"))
    except BaseException:
        tools.remove_ledger(config.ledger.url, config.root)
        raise
    return Initialised(
        root=config.root,
        keys=tuple(keys),
        roles={name: tuple(sorted(person.roles)) for name, person in config.policy.people.items()},
        environments=tuple(config.environments),
        ledger=entry.predicate["ledger"],
        genesis=entry.hash,
        warnings=(*request.warnings, *shortages(config.policy)),
        recovery=str(request.recovery or ""),
        succeeds=succeeds,
    )


def _from_alembic(request: Request) -> list[tuple[str, str]]:
    if not request.fallback_url:
        raise UsageError(
            f"no environment is named, and {request.alembic} holds no sqlalchemy.url to begin with",
            hint="migrate-flow init --env dev=sqlite:///dev.db --env staging=env:STAGING_URL",
            where="--env",
        )
    return [("dev", request.fallback_url)]


def _dialects(environments: Sequence[tuple[str, str]], tools: Tools, fallback_url: str) -> dict[str, str]:
    """By environment; where a URL does not tell, as the others."""
    found = {name: tools.dialect(url, "") for name, url in environments}
    known = next(filter(None, found.values()), "") or (tools.dialect(fallback_url, "") if fallback_url else "")
    unknown = [name for name, dialect in found.items() if not dialect]
    if unknown and not known:
        url = dict(environments)[unknown[0]]
        raise UsageError(
            f"which kind of database is {unknown[0]}? {url} does not tell here",
            hint="set the variable while init runs, or give another --env first (dialects are taken over from it)",
            where=f"--env {unknown[0]}={url}",
        )
    return {name: dialect or known for name, dialect in found.items()}
