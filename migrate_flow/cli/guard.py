"""`guard install`, `guard status` and `guard remove`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from migrate_flow.cli.options import As, Env, Format, Output, Why
from migrate_flow.cli.output import emit
from migrate_flow.cli.session import workspace

if TYPE_CHECKING:
    from migrate_flow.services.ports import Target
    from migrate_flow.services.workspace import Workspace

group = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="PostgreSQL event triggers that record or refuse schema changes from outside the flow.",
)
Superuser = Annotated[
    str,
    typer.Option(
        "--superuser-url",
        metavar="env:NAME|keyring:NAME",
        help="Where the URL of a superuser stands, for this command alone. Default: the environment's own.",
    ),
]


@group.command()
def install(
    ctx: typer.Context,
    env: Env,
    mode: Annotated[str, typer.Option("--mode", metavar="MODE", help="audit records, block refuses.")] = "audit",
    superuser_url: Superuser = "",
    actor: As = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """Put the guard in place, or in place of the one that stands. Its log stays."""
    from migrate_flow.services import guard as service
    from migrate_flow.views import guarding

    here = workspace(ctx, actor, format_name)
    done = service.install(here, env, mode, _superuser(here, env, superuser_url))
    emit(ctx, guarding.installed(done), format_name, output)


@group.command()
def status(ctx: typer.Context, env: Env, format_name: Format = "table", output: Output = None) -> None:
    """What stands, and what it saw. Exit 1 where it is not as installed, or saw what nobody explained."""
    from migrate_flow.services import guard as service
    from migrate_flow.views import guarding

    found = service.status(workspace(ctx, "", format_name), env)
    emit(ctx, guarding.status(found), format_name, output)
    raise typer.Exit(0 if found.ok else 1)


@group.command()
def remove(
    ctx: typer.Context,
    env: Env,
    why: Why,
    superuser_url: Superuser = "",
    actor: As = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """Take the guard away; the ledger says who did, and why. Its log stays."""
    from migrate_flow.services import guard as service
    from migrate_flow.views import guarding

    here = workspace(ctx, actor, format_name)
    done = service.remove(here, env, why, _superuser(here, env, superuser_url))
    emit(ctx, guarding.removed(done), format_name, output)


def _superuser(here: Workspace, env: str, reference: str) -> Target | None:
    from migrate_flow.bootstrap.superuser import superuser_target

    return superuser_target(here, env, reference) if reference else None


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="guard", short_help="Record or refuse schema changes from outside the flow.")
