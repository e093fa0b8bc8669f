"""`policy show`, `policy diff`, `policy record`, `policy endorse`"""

from __future__ import annotations

from typing import Annotated

import typer

from migrate_flow.cli.options import As, Format, Output
from migrate_flow.cli.output import emit
from migrate_flow.cli.session import workspace

group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Who must say yes, as signed into the ledger.")


@group.command()
def show(ctx: typer.Context, actor: As = "", format_name: Format = "table", output: Output = None) -> None:
    """The policy in force."""
    from migrate_flow.services import policy
    from migrate_flow.views import governance

    emit(ctx, governance.policy(policy.show(workspace(ctx, actor, format_name))), format_name, output)


@group.command()
def diff(ctx: typer.Context, actor: As = "", format_name: Format = "table", output: Output = None) -> None:
    """What migrate-flow.toml would change. Exit 1 if it differs."""
    from migrate_flow.services import policy
    from migrate_flow.views import governance

    report = policy.show(workspace(ctx, actor, format_name))
    emit(ctx, governance.policy_diff(report), format_name, output)
    raise typer.Exit(1 if report.changes else 0)


@group.command()
def record(ctx: typer.Context, actor: As = "", format_name: Format = "table", output: Output = None) -> None:
    """Sign the policy of migrate-flow.toml into the ledger, as a policy-admin."""
    from migrate_flow.services import policy
    from migrate_flow.views import governance

    emit(ctx, governance.policy_diff(policy.record(workspace(ctx, actor, format_name))), format_name, output)


@group.command()
def endorse(
    ctx: typer.Context,
    seq: Annotated[
        int, typer.Argument(metavar="SEQ", min=0, help="The entry that proposes it; default: the only one that waits.")
    ] = 0,
    actor: As = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """As another policy-admin, sign a policy that was proposed and waits for signatures."""
    from migrate_flow.services import policy
    from migrate_flow.views import governance

    report = policy.endorse(workspace(ctx, actor, format_name), seq)
    emit(ctx, governance.policy_diff(report), format_name, output)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="policy")
