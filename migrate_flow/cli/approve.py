"""`approve`"""

from __future__ import annotations

from typing import Annotated

import typer

from migrate_flow.cli.options import As, Detached, Format, Message, Output, Rev
from migrate_flow.cli.output import emit
from migrate_flow.cli.paths import write_new
from migrate_flow.cli.session import without_ledger, workspace
from migrate_flow.errors import UsageError


def approve(
    ctx: typer.Context,
    rev: Rev,
    role: Annotated[str, typer.Option("--role", metavar="ROLE", help="Default: the missing role that you hold.")] = "",
    waive: Annotated[str, typer.Option("--waive", metavar="GATE", help="soaked or in-window, for 24 hours.")] = "",
    env: Annotated[str, typer.Option("--env", metavar="ENV", help="Where the gate is waived.")] = "",
    message: Message = "",
    detached: Detached = None,
    actor: As = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """As an approver, release a reviewed migration; or waive a soak or a window for a day."""
    from migrate_flow.services import approve as service
    from migrate_flow.services.detached import approve_apart
    from migrate_flow.views import attesting

    if bool(waive) != bool(env):
        raise UsageError("--waive and --env belong together", hint="approve REV --waive soaked --env ENV -m WHY")
    if detached is not None:
        if waive:
            raise UsageError("a waiver is signed at the ledger", hint="approve REV --waive soaked --env ENV -m WHY")
        apart = without_ledger(ctx, actor, format_name)
        done_apart = approve_apart(apart, rev, role, message)
        write_new(detached, done_apart.text)
        emit(ctx, attesting.detached(done_apart, detached), format_name, output)
        return
    space = workspace(ctx, actor, format_name)
    done = service.waive(space, rev, waive, env, message) if waive else service.approve(space, rev, role, message)
    emit(ctx, attesting.attested(done, "approve"), format_name, output)


def register(app: typer.Typer) -> None:
    app.command(short_help="As an approver, release a reviewed migration.")(approve)
