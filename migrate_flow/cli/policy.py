"""`policy show`, `policy diff`, `policy record`"""

from __future__ import annotations

import typer

from migrate_flow.cli.options import As, Format, Output
from migrate_flow.cli.output import emit
from migrate_flow.cli.session import workspace

group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Who must say yes, as signed into the ledger.")


@group.command()
def show(ctx: typer.Context, actor: As = "", format_name: Format = "table", output: Output = None) -> None:
    """The policy in force."""
    from migrate_flow.services import policy
    from migrate_flow.views import project

    emit(ctx, project.policy(policy.show(workspace(ctx, actor, format_name))), format_name, output)


@group.command()
def diff(ctx: typer.Context, actor: As = "", format_name: Format = "table", output: Output = None) -> None:
    """What migrate-flow.toml would change. Exit 1 if it differs."""
    from migrate_flow.services import policy
    from migrate_flow.views import project

    report = policy.show(workspace(ctx, actor, format_name))
    emit(ctx, project.policy_diff(report), format_name, output)
    raise typer.Exit(1 if report.changes else 0)


@group.command()
def record(ctx: typer.Context, actor: As = "", format_name: Format = "table", output: Output = None) -> None:
    """Sign the policy of migrate-flow.toml into the ledger, as a policy-admin."""
    from migrate_flow.services import policy
    from migrate_flow.views import project

    emit(ctx, project.policy_diff(policy.record(workspace(ctx, actor, format_name))), format_name, output)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="policy")
