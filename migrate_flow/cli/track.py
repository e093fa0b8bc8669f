"""`track`"""

from __future__ import annotations

from typing import Annotated

import typer

from migrate_flow.cli.options import As, Format, Output
from migrate_flow.cli.output import emit
from migrate_flow.cli.session import workspace


def track(
    ctx: typer.Context,
    revisions: Annotated[list[str] | None, typer.Argument(metavar="REV", help="Default: all untracked.")] = None,
    actor: As = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """Record `created` for scripts made with plain Alembic, or pulled from git."""
    from migrate_flow.services.track import track as run
    from migrate_flow.views import attesting

    emit(ctx, attesting.tracked(run(workspace(ctx, actor, format_name), revisions or [])), format_name, output)


def register(app: typer.Typer) -> None:
    app.command(short_help="Record `created` for scripts made with plain Alembic.")(track)
