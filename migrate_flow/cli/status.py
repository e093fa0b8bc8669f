"""`status`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from migrate_flow.cli.output import emit
from migrate_flow.cli.session import workspace

if TYPE_CHECKING:
    from migrate_flow.cli.options import As, Format, Output


def status(
    ctx: typer.Context,
    rev: Annotated[str, typer.Argument(metavar="[REV]", help="One revision; default: all.")] = "",
    actor: As = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """The board: revisions, their state, and where they are applied."""
    from migrate_flow.services.status import status as read
    from migrate_flow.views import board

    emit(ctx, board.status(read(workspace(ctx, actor, format_name, only_shows=True), rev)), format_name, output)


def register(app: typer.Typer) -> None:
    app.command()(status)
