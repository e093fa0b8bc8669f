"""`adopt`"""

from __future__ import annotations

from typing import Annotated

import typer

from migrate_flow.cli.options import As, Env, Format, Output, Why
from migrate_flow.cli.output import emit
from migrate_flow.cli.progress import busy
from migrate_flow.cli.session import workspace


def adopt(
    ctx: typer.Context,
    env: Env,
    why: Why,
    to: Annotated[
        list[str] | None, typer.Option("--to", metavar="REV", help="Asserts a head of the version table; repeatable.")
    ] = None,
    new_target: Annotated[
        bool, typer.Option("--new-target", help="Another database takes this environment's place.")
    ] = False,
    actor: As = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """Declare what already stands in an existing database, as grandfathered."""
    from migrate_flow.services.adopt import adopt as run
    from migrate_flow.views import applying

    space = workspace(ctx, actor, format_name)
    with busy(f"reading what stands in {env}"):
        done = run(space, env, why, to or (), new_target=new_target)
    emit(ctx, applying.adopted(done), format_name, output)


def register(app: typer.Typer) -> None:
    app.command(short_help="Declare what already stands in an existing database.")(adopt)
