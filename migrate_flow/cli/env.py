"""`env list`, `env test`, `env login`, `env logout`"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from migrate_flow.cli.options import Format, Output
from migrate_flow.cli.output import check_format, emit
from migrate_flow.cli.session import config, interactive
from migrate_flow.errors import UsageError

group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The environments and their databases.")
Name = Annotated[str, typer.Argument(metavar="ENV", help="The environment's name.")]


@group.command("list")
def list_(ctx: typer.Context, format_name: Format = "table", output: Output = None) -> None:
    """The environments as configured, without secrets."""
    from migrate_flow.services.environments import listed
    from migrate_flow.views import project

    check_format(format_name)
    emit(ctx, project.environments(listed(config(ctx))), format_name, output)


@group.command("test")
def check(
    ctx: typer.Context,
    env: Annotated[str, typer.Argument(metavar="[ENV]", help="Default: all.")] = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """Whether each database answers, can be written, and is the one that it should be. Exit 1 if not."""
    from migrate_flow.bootstrap import urls, wiring
    from migrate_flow.services.environments import tested
    from migrate_flow.views import project

    check_format(format_name)
    settings = config(ctx)
    names = [urls.known_environment(settings, env)] if env else list(settings.environments)
    found = tested(settings, names, lambda name: wiring.target(settings, name, ""), urls.connection_hints(settings))
    emit(ctx, project.tested(found), format_name, output)
    raise typer.Exit(0 if all(item.ok for item in found) else 1)


@group.command()
def login(ctx: typer.Context, env: Name, format_name: Format = "table", output: Output = None) -> None:
    """Put an environment's URL or password into the OS keyring; read from a prompt or stdin, never an argument."""
    from migrate_flow.bootstrap import urls
    from migrate_flow.views import project

    check_format(format_name)
    settings = config(ctx)
    name = urls.known_environment(settings, env)
    what = urls.login_asks(settings, name)
    asked = interactive(ctx)
    secret = typer.prompt(what, hide_input=True, err=True) if asked else sys.stdin.readline().rstrip("\r\n")
    if not secret:
        raise UsageError("nothing was given", hint=f"migrate-flow env login {name} < FILE", where="stdin")
    urls.login(settings, name, secret)
    emit(ctx, project.stored(name), format_name, output)


@group.command()
def logout(ctx: typer.Context, env: Name, format_name: Format = "table", output: Output = None) -> None:
    """Take it out of the OS keyring again."""
    from migrate_flow.bootstrap import urls
    from migrate_flow.views import project

    check_format(format_name)
    settings = config(ctx)
    name = urls.known_environment(settings, env)
    emit(ctx, project.forgotten(name, urls.logout(settings, name)), format_name, output)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="env")
