"""An optional line for env.py, by which plain Alembic refuses to change a database that is under the flow."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from alembic import context
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import SQLAlchemyError

from migrate_flow.alembic_adapter.runner import MARK
from migrate_flow.dialects import dialect_for
from migrate_flow.errors import MigrateFlowError

if TYPE_CHECKING:
    from migrate_flow.core.facts import Identity

_INSTEAD = {
    "upgrade": "migrate-flow apply --env {env}",
    "downgrade": "migrate-flow rollback --env {env} --to REV -m WHY",
    "stamp": "migrate-flow adopt --env {env} -m WHY",
}


def require_flow(*, allow: Collection[str] = ()) -> None:
    """Call it in env.py, before env.py connects.

    ``alembic upgrade``, ``downgrade`` and ``stamp`` then fail, with the command to use instead, on any database that
    an environment of the flow was applied or adopted in. Commands that only read, SQL scripts (``--sql``), databases
    that the flow does not know, and the flow itself are let through. It stops accidents: who edits env.py, or runs SQL,
    is not stopped. allow: environments in which plain Alembic is welcome.
    Raises alembic.util.CommandError, at each connection to such a database that is made while env.py runs.
    """
    if isinstance(allow, str):
        raise TypeError('allow is a list of environments: allow=["dev"]')
    config = context.config
    if config.attributes.get(MARK) or context.is_offline_mode() or not _changes():
        return

    def ask(connection: Connection) -> None:
        # A later run asks for itself, and what an application connects to is its own affair.
        if not _runs(config) or not _changes():
            return
        identity = _identity(connection)
        if identity is not None and identity.environment not in allow:
            raise CommandError(_refusal(config, identity))

    event.listen(Engine, "engine_connect", ask)
    given = config.attributes.get("connection")
    if isinstance(given, Connection):
        ask(given)


def _runs(config: Config) -> bool:
    """Whether env.py is running with this configuration; outside of env.py the module has none."""
    return getattr(context, "config", None) is config


def _changes() -> bool:
    """Whether Alembic's command has somewhere to go to: what only reads has not."""
    try:
        context.get_revision_argument()
    except KeyError:
        return False
    return True


def _identity(connection: Connection) -> Identity | None:
    """The row by which a database says whose it is. What is read here must leave no transaction open: Alembic would
    take it for one of env.py's own, and commit nothing."""
    name = "mariadb" if getattr(connection.dialect, "is_mariadb", False) else connection.dialect.name
    idle = not connection.in_transaction()
    try:
        return dialect_for(name, "env.py").tables.read_identity(connection)
    except (SQLAlchemyError, MigrateFlowError):
        return None  # a database that we do not speak to, or that is not ours to judge
    finally:
        if idle:
            connection.rollback()


def _refusal(config: Config, identity: Identity) -> str:
    command = getattr(getattr(config.cmd_opts, "cmd", (None,))[0], "__name__", "")
    instead = _INSTEAD.get(command, "migrate-flow plan --env {env}").format(env=identity.environment)
    return (
        f"this database is {identity.environment} of project {identity.project}, which is changed through migrate-flow "
        f"alone; use: {instead}"
    )
