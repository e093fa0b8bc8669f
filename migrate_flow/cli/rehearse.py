"""`rehearse`"""

from __future__ import annotations

import os
from typing import Annotated

import typer

from migrate_flow.cli.options import FindingsFormat, Output
from migrate_flow.cli.output import emit
from migrate_flow.cli.session import checks_here, workspace

ALL_CORES, TIMEOUT_MIN = os.cpu_count() or 1, 20.0
Processes = Annotated[
    int, typer.Option("--processes", min=1, metavar="N", show_default=False, help="Default: all cores.")
]
Timeout = Annotated[
    float, typer.Option("--timeout", min=0.01, metavar="MINUTES", help="The most that one step of a script may take.")
]


def rehearse(
    ctx: typer.Context,
    revisions: Annotated[
        list[str] | None, typer.Argument(metavar="REV", help="Default: what the last environment lacks.")
    ] = None,
    since: Annotated[
        str, typer.Option("--since", metavar="GIT_REF", help="What changed since this branch left it; without ledger.")
    ] = "",
    everything: Annotated[bool, typer.Option("--all", help="Every revision of this checkout.")] = False,
    dialect: Annotated[str, typer.Option(metavar="NAME", help="Only on this kind of database.")] = "",
    processes: Processes = ALL_CORES,
    timeout: Timeout = TIMEOUT_MIN,
    format_name: FindingsFormat = "table",
    output: Output = None,
) -> None:
    """Upgrade, downgrade and upgrade again on a scratch database. Exit 1 unless every one can be undone.

    With REV, --since or --all the ledger is not opened.
    """
    from migrate_flow.cli.progress import drain
    from migrate_flow.services.chosen import choose
    from migrate_flow.services.rehearse import Effort, dialects
    from migrate_flow.services.rehearse import rehearse as run
    from migrate_flow.views import rehearsing

    checks = checks_here(ctx, format_name, squawk=False)
    project = checks.project
    chosen = choose(project, revisions or (), since, lambda: workspace(ctx), everything=everything)
    policy = project.config.policy
    effort, on = Effort(processes, timeout * 60), dialects(policy, dialect)
    report = drain(run(policy, project.scripts, checks.rehearser, chosen.revisions, effort, on))
    emit(ctx, rehearsing.rehearsed(report), format_name, output)
    raise typer.Exit(0 if report.ok else 1)


def register(app: typer.Typer) -> None:
    app.command()(rehearse)
