"""`compare`"""

from __future__ import annotations

from typing import Annotated

import typer

from migrate_flow.cli.options import As, Format, Output
from migrate_flow.cli.output import emit
from migrate_flow.cli.progress import busy
from migrate_flow.cli.session import workspace


def compare(
    ctx: typer.Context,
    one: Annotated[str, typer.Argument(metavar="ENV", help="An environment.")],
    other: Annotated[str, typer.Argument(metavar="ENV", help="Another one.")],
    actor: As = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """Two environments: their revisions, and their schemas object by object. Exit 1 unless both are the same."""
    from migrate_flow.services import compare as service
    from migrate_flow.views import drifting

    space = workspace(ctx, actor, format_name)
    with busy("reading both schemas"):
        found = service.compare(space, one, other)
    emit(ctx, drifting.compared(found), format_name, output)
    raise typer.Exit(0 if found.equal else 1)


def register(app: typer.Typer) -> None:
    app.command(short_help="Two environments: their revisions and schemas.")(compare)
