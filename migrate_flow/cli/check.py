"""`check`"""

from __future__ import annotations

from typing import Annotated

import typer

from migrate_flow.cli.options import As, FindingsFormat, Output
from migrate_flow.cli.output import emit
from migrate_flow.cli.rehearse import ALL_CORES, TIMEOUT_MIN, Processes, Timeout
from migrate_flow.cli.session import checks_here, workspace


def check(
    ctx: typer.Context,
    revs: Annotated[list[str] | None, typer.Argument(metavar="REV", help="Revisions; works without ledger.")] = None,
    since: Annotated[
        str, typer.Option("--since", metavar="GIT_REF", help="What changed since this branch left it; without ledger.")
    ] = "",
    record: Annotated[
        bool, typer.Option("--record", help="Sign the result into the ledger, good or bad, with any key of the policy.")
    ] = False,
    processes: Processes = ALL_CORES,
    timeout: Timeout = TIMEOUT_MIN,
    no_squawk: Annotated[bool, typer.Option("--no-squawk", help="Don't ask squawk about PostgreSQL's SQL.")] = False,
    actor: As = "",
    format_name: FindingsFormat = "table",
    output: Output = None,
) -> None:
    """Static rules and rehearsal, for CI. Exit 1 on an error that is not waived, or what can't be undone."""
    from migrate_flow.cli.progress import drain
    from migrate_flow.services import check as service
    from migrate_flow.services.rehearse import Effort
    from migrate_flow.views import checking

    checks = checks_here(ctx, format_name, squawk=not no_squawk)
    effort = Effort(processes, timeout * 60)
    if record:
        space = workspace(ctx, actor)
        report, recorded = drain(service.check_and_record(checks, revs or (), since, space, effort))
        document = checking.check(report, recorded)
    else:
        report = drain(service.check(checks, revs or (), since, lambda: workspace(ctx, actor), effort))
        document = checking.check(report)
    emit(ctx, document, format_name, output)
    raise typer.Exit(0 if report.ok else 1)


def register(app: typer.Typer) -> None:
    app.command()(check)
