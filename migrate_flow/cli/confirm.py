"""What stands between a plan and the act, and what the act's report means as an exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from migrate_flow.cli.output import emit, note
from migrate_flow.cli.session import interactive
from migrate_flow.errors import Refused, UsageError

if TYPE_CHECKING:
    from migrate_flow.core.document import Document
    from migrate_flow.services.run import Report


def typed_confirmation(ctx: typer.Context, env: str, given: str, planned: Document) -> None:
    """Raises UsageError where nobody can be asked, Refused for another answer."""
    if given:
        raise Refused(f"--confirm says {given!r}, the environment is {env}", hint=f"--confirm {env}", where="--confirm")
    if not interactive(ctx):
        raise UsageError(
            f"{env} asks for a typed confirmation", hint=f"add --confirm {env}", where=f"[environments.{env}] confirm"
        )
    emit(ctx, planned)
    answer = typer.prompt(f"type {env} to go ahead", default="", show_default=False, err=True)
    if answer.strip() != env:
        note("nothing was changed")
        raise typer.Exit(1)


def exit_code(report: Report, *, ready: bool = False) -> int:
    """3 failed, 6 partial, 1 blocked, 0 done."""
    from migrate_flow.core.plan import Outcome

    match report.worst:
        case Outcome.FAILED:
            return 3
        case Outcome.PARTIAL:
            return 6
        case Outcome.BLOCKED:
            return 0 if ready and report.plan.gates.allowed else 1
        case _:
            return 0 if report.allowed or (ready and report.plan.gates.allowed) else 1
