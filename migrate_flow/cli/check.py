"""`check`"""

from __future__ import annotations

from typing import Annotated

import typer

from migrate_flow.cli.options import As, FindingsFormat, Output
from migrate_flow.cli.output import emit
from migrate_flow.cli.rehearse import ALL_CORES, TIMEOUT_MIN, Processes, Timeout
from migrate_flow.cli.session import lint_project, workspace


def check(
    ctx: typer.Context,
    revs: Annotated[list[str] | None, typer.Argument(metavar="REV", help="Revisions; works without ledger.")] = None,
    since: Annotated[
        str, typer.Option("--since", metavar="GIT_REF", help="What changed since this branch left it; without ledger.")
    ] = "",
    processes: Processes = ALL_CORES,
    timeout: Timeout = TIMEOUT_MIN,
    no_squawk: Annotated[bool, typer.Option("--no-squawk", help="Don't ask squawk about PostgreSQL's SQL.")] = False,
    actor: As = "",
    format_name: FindingsFormat = "table",
    output: Output = None,
) -> None:
    """Static rules and rehearsal, for CI. Exit 1 on an error that is not waived, or what can't be undone."""
    from migrate_flow.bootstrap import wiring
    from migrate_flow.cli.progress import drain
    from migrate_flow.services.check import check as run
    from migrate_flow.services.rehearse import Effort
    from migrate_flow.views import checking

    project = lint_project(ctx, format_name, squawk=not no_squawk)
    rehearser = wiring.rehearser(project.config, wiring.checkout(project.config))
    effort = Effort(processes=processes, patience_s=timeout * 60)
    events = run(project, rehearser, revs or (), since, lambda: workspace(ctx, actor), effort)
    report = drain(events)
    emit(ctx, checking.check(report), format_name, output)
    raise typer.Exit(0 if report.ok else 1)


def register(app: typer.Typer) -> None:
    app.command()(check)
