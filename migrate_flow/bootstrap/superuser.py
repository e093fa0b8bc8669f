"""Another way to an environment's database, for what takes a superuser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from migrate_flow import credentials
from migrate_flow.bootstrap.urls import URL_SERVICE
from migrate_flow.core.dialects import speaks
from migrate_flow.database import DatabaseTarget, first_line, resolve_url
from migrate_flow.errors import ConfigError, TargetError, UsageError

if TYPE_CHECKING:
    from migrate_flow.services.ports import Target
    from migrate_flow.services.workspace import Workspace

OPTION = "--superuser-url"


class SuperuserTarget(DatabaseTarget):
    """The environment's database on the URL of a superuser, whose errors name the option and not the environment."""

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise TargetError(
                f"{OPTION}: {first_line(error)}",
                hint=f"the URL of a superuser for the database of {self.environment}: the same host, port and database "
                f"as [environments.{self.environment}] url",
                where=OPTION,
            ) from error

    @contextmanager
    def _superuser_said(self) -> Iterator[None]:
        try:
            yield
        except TargetError as error:
            if error.__cause__ is None:
                raise
            raise TargetError(error.message, hint=f"the URL of a superuser; or, {error.hint}", where=OPTION) from error


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
        found = resolve_url(reference, environment, secret, OPTION)
        if not speaks(found.get_backend_name(), rules.dialect):
            raise UsageError(
                f"this URL leads to a {found.get_backend_name()} database, and {environment} is a {rules.dialect} one",
                hint=f"the same database as [environments.{environment}] url, as another user",
                where=OPTION,
            )
        return found

    return SuperuserTarget(environment, rules.dialect, config.root, workspace.actor, url)
