"""`status`"""

from __future__ import annotations

from typing import Annotated

import typer

from migrate_flow.cli.options import As, Format, Output
from migrate_flow.cli.output import emit
from migrate_flow.cli.session import workspace


def status(
    ctx: typer.Context,
    rev: Annotated[str, typer.Argument(metavar="[REV]", help="One revision; default: all.")] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Also all the older ones that stand everywhere, in a long history.")
    ] = False,
    actor: As = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """The board: revisions, their state, and where they are applied."""
    from migrate_flow.services.status import status as read
    from migrate_flow.views import board

    here = workspace(ctx, actor, format_name, only_shows=True)
    found = read(here, rev, brief=format_name == "table", older=everything)
    emit(ctx, board.status(found), format_name, output)


def register(app: typer.Typer) -> None:
    app.command(short_help="The board: revisions, their state, where they stand.")(status)
