"""URLs and passwords of environments: from the file, a variable or the OS keyring."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sqlalchemy import URL

from migrate_flow import credentials
from migrate_flow.core.nearest import meant
from migrate_flow.core.redaction import remember
from migrate_flow.database import parse_url, resolve_url
from migrate_flow.errors import UsageError

if TYPE_CHECKING:
    from migrate_flow.config.load import Config

URL_SERVICE = "migrate-flow:url"


def environment_url(config: Config, environment: str) -> URL:
    """The resolved URL of an environment; a password that `env login` stored is put in."""
    written = config.environments[environment].url
    url = resolve_url(written, environment, lambda name: keyring_url(config, name))
    if url.username and not url.password and not written.startswith(("env:", "keyring:")):
        stored = keyring_url(config, f"password:{environment}", needed=False)
        if stored:
            remember(stored)
            url = url.set(password=stored)
    return url


def keyring_url(config: Config, name: str, *, needed: bool = True) -> str | None:
    """A URL or password in the OS keyring. needed: raise ConfigError where there is no keyring to ask."""
    if not needed and credentials.usable():
        return None
    variable = f"{name.upper().replace('-', '_')}_DATABASE_URL"
    instead = f'export {variable}=…, and url = "env:{variable}" in migrate-flow.toml'
    return credentials.get(URL_SERVICE, f"{config.project.name}/{name}", instead=instead)


def known_environment(config: Config, name: str) -> str:
    """Raises UsageError for an environment that the file does not have."""
    if name not in config.environments:
        near = meant(name, config.environments)
        known = ", ".join(config.environments)
        raise UsageError(f"there is no environment {name!r}{near}", hint=f"one of: {known}", where="ENV")
    return name


def connection_hints(config: Config) -> dict[str, str]:
    """By environment: what to do if its database does not answer."""
    hints = {}
    for name, environment in config.environments.items():
        kind, _, variable = environment.url.partition(":")
        if kind == "env":
            hints[name] = f"export {variable}='dialect://user:password@host/database'"
        elif kind == "keyring":
            hints[name] = _instead(name) if credentials.usable() else f"migrate-flow env login {name}"
        else:
            hints[name] = f"see that the server runs, and url of [environments.{name}]"
    return hints


def login_asks(config: Config, name: str) -> str:
    """What `env login` asks for. Raises UsageError where nothing could be stored."""
    written = config.environments[name].url
    kind, _, variable = written.partition(":")
    if kind == "keyring":
        return f"URL of {name}"
    if kind == "env":
        raise UsageError(
            f"{name} takes its URL from the variable {variable}",
            hint=f'export {variable}=…, or write url = "keyring:{name}"',
            where=f"[environments.{name}] url",
        )
    if not parse_url(written, name).username:
        raise UsageError(
            f"the URL of {name} has no user, so no password",
            hint=f'url = "keyring:{name}", or put the user into the URL',
            where=f"[environments.{name}] url",
        )
    return f"password of {name}"


def login(config: Config, name: str, secret: str) -> None:
    """Store it. Raises ConfigError for an unusable URL, or without a keyring."""
    remember(secret)
    asks = login_asks(config, name)
    if asks.startswith("URL"):
        parse_url(secret, "stdin")
    entry, instead = _entry(config, name)
    credentials.set_secret(URL_SERVICE, entry, secret, instead=instead)


def logout(config: Config, name: str) -> bool:
    """Whether something was stored. Raises ConfigError without a keyring."""
    entry, instead = _entry(config, name)
    if credentials.get(URL_SERVICE, entry, instead=instead) is None:
        return False
    credentials.delete(URL_SERVICE, entry, instead=instead)
    return True


def _entry(config: Config, name: str) -> tuple[str, str]:
    """The name under which the keyring holds it, and what serves instead of a keyring."""
    kind, _, key = config.environments[name].url.partition(":")
    stored = key if kind == "keyring" else f"password:{name}"
    return f"{config.project.name}/{stored}", _instead(name)


def _instead(name: str) -> str:
    variable = f"{name.upper().replace('-', '_')}_DATABASE_URL"
    return f'export {variable}=…, and url = "env:{variable}" in migrate-flow.toml'


def url_dialect(value: str) -> str:
    """The dialect of a URL value, empty where it can't be told here. Raises ConfigError for an unusable literal."""
    kind, _, name = value.partition(":")
    if kind == "keyring":
        return ""
    if kind == "env":
        value = os.environ.get(name, "")
        if not value:
            return ""
    return parse_url(value, "--env").get_backend_name()
