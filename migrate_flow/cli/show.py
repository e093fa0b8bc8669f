"""`show`"""

from __future__ import annotations

import typer

from migrate_flow.cli.options import As, Format, Output, Rev
from migrate_flow.cli.output import emit
from migrate_flow.cli.session import workspace


def show(ctx: typer.Context, rev: Rev, actor: As = "", format_name: Format = "table", output: Output = None) -> None:
    """All about one migration: documentation, SQL, state, entries."""
    from migrate_flow.services.show import show as read
    from migrate_flow.views import showing

    found = read(workspace(ctx, actor, format_name, reads=True), rev)
    emit(ctx, showing.show(found), format_name, output, paged=True)


def register(app: typer.Typer) -> None:
    app.command()(show)
