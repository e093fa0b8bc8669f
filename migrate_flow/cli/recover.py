"""`recover`"""

from __future__ import annotations

from typing import Annotated

import typer

from migrate_flow.cli.options import As, Env, Format, Message, Output
from migrate_flow.cli.output import emit
from migrate_flow.cli.session import workspace
from migrate_flow.errors import UsageError


def recover(
    ctx: typer.Context,
    env: Env,
    abandon: Annotated[
        bool, typer.Option("--abandon", help="Give a partial attempt up, after you undid what it left; -m says how.")
    ] = False,
    message: Message = "",
    actor: As = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """Settle an interrupted attempt from the evidence in the target. Runs no migration."""
    from migrate_flow.services.recover import recover as run
    from migrate_flow.views import applying

    if abandon != bool(message.strip()):
        raise UsageError("--abandon and -m belong together", hint=f"migrate-flow recover --env {env} --abandon -m WHY")
    found = run(workspace(ctx, actor, format_name), env, abandon=message.strip())
    emit(ctx, applying.recovered(env, found), format_name, output)


def register(app: typer.Typer) -> None:
    app.command()(recover)
