"""Another way to an environment's database, for what takes a superuser."""

from __future__ import annotations

from sqlalchemy import URL

from migrate_flow import credentials
from migrate_flow.bootstrap.urls import URL_SERVICE
from migrate_flow.database import DatabaseTarget, resolve_url
from migrate_flow.errors import ConfigError, UsageError
from migrate_flow.services.ports import Target
from migrate_flow.services.workspace import Workspace

OPTION = "--superuser-url"


def superuser_target(workspace: Workspace, environment: str, reference: str) -> Target:
    """reference: ``env:NAME`` or ``keyring:NAME``, resolved at the first use. Raises UsageError for anything else,
    without repeating it: it may hold a password."""
    kind, _, name = reference.partition(":")
    if kind not in ("env", "keyring") or not name:
        raise UsageError(
            f"{OPTION} takes the name of a variable or of a keyring's entry, never a URL",
            hint=f"export SUPERUSER_URL=…; then: {OPTION} env:SUPERUSER_URL",
            where=OPTION,
        )
    rules, config = workspace.rules(environment), workspace.config

    def secret(_name: str) -> str:
        entry, instead = f"{config.project.name}/{name}", f"export SUPERUSER_URL=…, and {OPTION} env:SUPERUSER_URL"
        found = credentials.get(URL_SERVICE, entry, instead=instead)
        if not found:
            hint = f"keyring set {URL_SERVICE} {entry}; or {instead}"
            raise ConfigError(f"the keyring holds no URL under {name!r}", hint=hint, where=OPTION)
        return found

    def url() -> URL:
        return resolve_url(reference, environment, secret, OPTION)

    return DatabaseTarget(environment, rules.dialect, config.root, workspace.actor, url)
