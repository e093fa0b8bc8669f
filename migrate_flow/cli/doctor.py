"""`doctor`"""

from __future__ import annotations

import typer

from migrate_flow.cli.options import As, Format, Output
from migrate_flow.cli.output import emit
from migrate_flow.cli.session import workspace


def doctor(ctx: typer.Context, actor: As = "", format_name: Format = "table", output: Output = None) -> None:
    """What is wrong with configuration, ledger, keys and environments, and what mends it. Exit 1 if anything is."""
    from migrate_flow.bootstrap import examining, urls
    from migrate_flow.cli.output import check_format
    from migrate_flow.services.doctor import doctor as examine
    from migrate_flow.views import project

    check_format(format_name)
    checks = examine(
        lambda: workspace(ctx, actor, format_name),
        lambda space: urls.connection_hints(space.config),
        lambda space: examining.machine(space.config),
    )
    emit(ctx, project.doctor(checks), format_name, output)
    raise typer.Exit(1 if any(check.state == "problem" for check in checks) else 0)


def register(app: typer.Typer) -> None:
    app.command()(doctor)
