"""`log`"""

from __future__ import annotations

from typing import Annotated

import typer

from migrate_flow.cli.options import As, Format, Output
from migrate_flow.cli.output import emit
from migrate_flow.cli.session import workspace


def log(
    ctx: typer.Context,
    rev: Annotated[str, typer.Option("--rev", metavar="REV", help="About this revision.")] = "",
    env: Annotated[str, typer.Option("--env", metavar="ENV", help="About this environment.")] = "",
    person: Annotated[str, typer.Option("--person", metavar="PERSON", help="Signed by this person.")] = "",
    kind: Annotated[str, typer.Option("--kind", metavar="KIND", help="A kind, or its beginning, as apply.")] = "",
    last: Annotated[int, typer.Option("-n", "--last", min=0, metavar="N", help="The newest N; 0 for all.")] = 0,
    actor: As = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """The ledger's entries, oldest first."""
    from migrate_flow.services.log import Filter
    from migrate_flow.services.log import log as read
    from migrate_flow.views import attesting

    wanted = Filter(rev, env, person.lower(), kind, last)
    found = read(workspace(ctx, actor, format_name, only_shows=True), wanted)
    emit(ctx, attesting.log(found), format_name, output, paged=True)


def register(app: typer.Typer) -> None:
    app.command()(log)
