"""`ledger info`, `ledger verify`"""

from __future__ import annotations

import typer

from migrate_flow.cli.options import As, Format, Output
from migrate_flow.cli.output import check_format, emit
from migrate_flow.cli.session import config, workspace

group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The ledger: what it is, and whether it holds.")


@group.command()
def info(ctx: typer.Context, actor: As = "", format_name: Format = "table", output: Output = None) -> None:
    """Where the ledger lies, its id, head and genesis."""
    from migrate_flow.views import project

    emit(ctx, project.ledger(workspace(ctx, actor, format_name)), format_name, output)


@group.command()
def verify(ctx: typer.Context, format_name: Format = "table", output: Output = None) -> None:
    """Prove chain, signatures, authority and artifacts from the stored bytes. Exit 4 if anything is wrong."""
    from migrate_flow.bootstrap import keyring, wiring
    from migrate_flow.services.verify_ledger import verify as check
    from migrate_flow.views import project

    check_format(format_name)
    settings = config(ctx)
    report = check(
        wiring.open_ledger(settings),
        keyring.SshsigVerifier(),
        ledger_id=settings.ledger.id,
        genesis=settings.ledger.genesis,
    )
    emit(ctx, project.verified(report), format_name, output)
    raise typer.Exit(0 if report.ok else 4)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="ledger")
