"""`plan`"""

from __future__ import annotations

from typing import Annotated

import typer

from migrate_flow.cli.options import As, Env, Format, Output
from migrate_flow.cli.output import emit
from migrate_flow.cli.session import workspace


def plan(
    ctx: typer.Context,
    env: Env,
    to: Annotated[str, typer.Option("--to", metavar="REV", help="Up to and including this revision.")] = "head",
    actor: As = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """What would run, and every gate with its verdict and who can clear it. Exit 1 if anything is blocked."""
    from migrate_flow.services.plan import plan as make
    from migrate_flow.views import applying

    planned = make(workspace(ctx, actor, format_name, only_shows=True), env, to)
    command = f"migrate-flow apply {'' if to == 'head' else f'{to} '}--env {env}"
    emit(ctx, applying.plan(planned, command=command), format_name, output)
    raise typer.Exit(0 if planned.allowed else 1)


def register(app: typer.Typer) -> None:
    app.command(short_help="What would run, and the verdict of every gate.")(plan)
