"""`inbox`"""

from __future__ import annotations

import typer

from migrate_flow.cli.options import As, Format, Output
from migrate_flow.cli.output import emit
from migrate_flow.cli.session import workspace


def inbox(ctx: typer.Context, actor: As = "", format_name: Format = "table", output: Output = None) -> None:
    """What waits for you, with the command to run."""
    from migrate_flow.services.inbox import inbox as read
    from migrate_flow.views import board

    emit(ctx, board.inbox(read(workspace(ctx, actor, format_name, only_shows=True))), format_name, output)


def register(app: typer.Typer) -> None:
    app.command()(inbox)
