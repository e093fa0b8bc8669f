"""`apply`"""

from __future__ import annotations

from typing import Annotated

import typer

from migrate_flow.cli.confirm import exit_code, typed_confirmation
from migrate_flow.cli.options import As, Env, Format, Output
from migrate_flow.cli.output import emit
from migrate_flow.cli.progress import drain
from migrate_flow.cli.session import workspace
from migrate_flow.errors import UnsettledError


def apply(
    ctx: typer.Context,
    env: Env,
    rev: Annotated[str, typer.Argument(metavar="[REV]", help="Up to and including this one; default: head.")] = "head",
    ready: Annotated[bool, typer.Option("--ready", help="Apply what is ready before the first blocked one.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan, change nothing.")] = False,
    confirm: Annotated[str, typer.Option("--confirm", metavar="ENV", help="Answers the typed confirmation.")] = "",
    digest: Annotated[str, typer.Option("--plan", metavar="DIGEST", help="Refuse if the plan is another.")] = "",
    actor: As = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """Apply pending migrations to an environment, if every gate lets them."""
    from migrate_flow.services.apply import Request
    from migrate_flow.services.apply import apply as run
    from migrate_flow.services.plan import plan as make
    from migrate_flow.views import applying

    space = workspace(ctx, actor, format_name)
    if dry_run or (space.rules(env).confirm and confirm != env):
        planned = make(space, env, rev)
        if dry_run:
            emit(ctx, applying.plan(planned), format_name, output)
            raise typer.Exit(0 if planned.allowed else 1)
        if planned.steps and (planned.allowed or (ready and planned.ready())):
            typed_confirmation(ctx, env, confirm, applying.plan(planned))
            digest, confirm = digest or planned.digest, env
    report = drain(run(space, Request(env, rev, ready, digest, confirmed=confirm == env)))
    emit(ctx, applying.executed(report, "apply"), format_name, output)
    code = exit_code(report, ready=ready)
    if report.interrupted is not None and code != UnsettledError.exit_code:
        raise report.interrupted
    raise typer.Exit(code)


def register(app: typer.Typer) -> None:
    app.command(short_help="Apply pending migrations, if every gate lets them.")(apply)
