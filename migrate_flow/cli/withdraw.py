"""`withdraw`"""

from __future__ import annotations

import typer

from migrate_flow.cli.options import As, Format, Output, Rev, Why
from migrate_flow.cli.output import emit
from migrate_flow.cli.session import workspace


def withdraw(
    ctx: typer.Context, rev: Rev, why: Why, actor: As = "", format_name: Format = "table", output: Output = None
) -> None:
    """As the author, take a migration out of the flow; a new self-review takes it up again."""
    from migrate_flow.services.withdraw import withdraw as run
    from migrate_flow.views import attesting

    done = run(workspace(ctx, actor, format_name), rev, why)
    emit(ctx, attesting.attested(done, "withdraw"), format_name, output)


def register(app: typer.Typer) -> None:
    app.command(short_help="As the author, take a migration out of the flow.")(withdraw)
