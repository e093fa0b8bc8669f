"""`rehearse`"""

from __future__ import annotations

import os
from typing import Annotated

import typer

from migrate_flow.cli.options import FindingsFormat, Output
from migrate_flow.cli.output import check_format, emit
from migrate_flow.cli.session import config, workspace


def rehearse(
    ctx: typer.Context,
    revisions: Annotated[
        list[str] | None, typer.Argument(metavar="REV", help="Default: what the last environment lacks.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every revision of this checkout.")] = False,
    dialect: Annotated[str, typer.Option(metavar="NAME", help="Only on this kind of database.")] = "",
    processes: Annotated[int, typer.Option(min=1, metavar="N", help="Default: all cores.")] = os.cpu_count() or 1,
    format_name: FindingsFormat = "table",
    output: Output = None,
) -> None:
    """Upgrade, downgrade and upgrade again on a scratch database. Exit 1 unless every one can be undone.

    With REV or --all the ledger is not opened.
    """
    from migrate_flow.bootstrap import wiring
    from migrate_flow.cli.progress import drain
    from migrate_flow.services import chosen
    from migrate_flow.services.rehearse import rehearse as run
    from migrate_flow.views import rehearsing

    check_format(format_name, findings=True)
    found = config(ctx)
    scripts = wiring.checkout(found)
    if everything:
        wanted = scripts.graph.order()
    elif revisions:
        wanted = chosen.named(scripts, revisions)
    else:
        wanted = chosen.not_everywhere(workspace(ctx))
    rehearser = wiring.rehearser(found, scripts)
    report = drain(run(found, scripts, rehearser, wanted, only=dialect, processes=processes))
    emit(ctx, rehearsing.rehearsed(report), format_name, output)
    raise typer.Exit(0 if report.ok else 1)


def register(app: typer.Typer) -> None:
    app.command()(rehearse)
