"""`recover`"""

from __future__ import annotations

import typer

from migrate_flow.cli.options import As, Env, Format, Output
from migrate_flow.cli.output import emit
from migrate_flow.cli.session import workspace


def recover(ctx: typer.Context, env: Env, actor: As = "", format_name: Format = "table", output: Output = None) -> None:
    """Settle an interrupted attempt from the evidence in the target. Runs no migration."""
    from migrate_flow.services.recover import recover as run
    from migrate_flow.views import applying

    emit(ctx, applying.recovered(env, run(workspace(ctx, actor, format_name), env)), format_name, output)


def register(app: typer.Typer) -> None:
    app.command()(recover)
