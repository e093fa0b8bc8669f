"""`rollback`"""

from __future__ import annotations

from typing import Annotated

import typer

from migrate_flow.cli.confirm import exit_code, typed_confirmation
from migrate_flow.cli.options import As, Env, Format, Output, Why
from migrate_flow.cli.output import emit
from migrate_flow.cli.progress import drain
from migrate_flow.cli.session import workspace
from migrate_flow.errors import UnsettledError


def rollback(
    ctx: typer.Context,
    env: Env,
    to: Annotated[
        list[str], typer.Option("--to", metavar="REV", help="What is left standing; base for nothing. Repeatable.")
    ],
    why: Why,
    allow_ahead: Annotated[
        bool, typer.Option("--allow-ahead", help="Environments further down may keep the revisions.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan, change nothing.")] = False,
    confirm: Annotated[str, typer.Option("--confirm", metavar="ENV", help="Answers the typed confirmation.")] = "",
    digest: Annotated[str, typer.Option("--plan", metavar="DIGEST", help="Refuse if the plan is another.")] = "",
    actor: As = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """Undo applied migrations, newest first, with the very bytes that were applied."""
    from migrate_flow.services.rollback import Request, plan_rollback
    from migrate_flow.services.rollback import rollback as run
    from migrate_flow.views import applying

    space = workspace(ctx, actor, format_name)
    request = Request(env, to, why, allow_ahead, digest)
    planned = plan_rollback(space, request)
    if dry_run:
        emit(ctx, applying.plan(planned, name="rollback"), format_name, output)
        raise typer.Exit(0 if planned.allowed else 1)
    lossy = any("lossy" in step.risks for step in planned.steps)
    if planned.allowed and planned.steps and (lossy or space.rules(env).confirm) and confirm != env:
        typed_confirmation(ctx, env, confirm, applying.plan(planned, name="rollback"))
    if planned.allowed and planned.steps:
        request = Request(env, to, why, allow_ahead, digest or planned.digest)
    report = drain(run(space, request))
    emit(ctx, applying.executed(report, "rollback"), format_name, output)
    code = exit_code(report)
    if report.interrupted is not None and code != UnsettledError.exit_code:
        raise report.interrupted
    raise typer.Exit(code)


def register(app: typer.Typer) -> None:
    app.command(short_help="Undo applied migrations, newest first.")(rollback)
