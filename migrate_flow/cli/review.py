"""`review`"""

from __future__ import annotations

from typing import Annotated

import typer

from migrate_flow.cli.options import As, Detached, Format, Message, Output, Rev
from migrate_flow.cli.output import emit, note
from migrate_flow.cli.paths import write_new
from migrate_flow.cli.session import interactive, without_ledger, workspace
from migrate_flow.errors import UsageError


def review(
    ctx: typer.Context,
    rev: Rev,
    approve: Annotated[bool, typer.Option("--approve", help="These bytes are right.")] = False,
    request_changes: Annotated[bool, typer.Option("--request-changes", help="They are not; -m says why.")] = False,
    message: Message = "",
    detached: Detached = None,
    actor: As = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """As a peer, say what you think of a migration; without a flag it is shown first, then asked for."""
    from migrate_flow.services.changes import changed_since
    from migrate_flow.services.content import resolve_one
    from migrate_flow.services.detached import review_apart
    from migrate_flow.services.review import review as record
    from migrate_flow.views import attesting

    if approve and request_changes:
        raise UsageError("--approve and --request-changes exclude each other", hint=f"migrate-flow review {rev}")
    verdict = "approve" if approve else "request-changes" if request_changes else ""
    if detached is not None:
        if not verdict:
            raise UsageError(
                "say --approve or --request-changes", hint=f"migrate-flow review {rev} --approve --detached FILE"
            )
        done = review_apart(without_ledger(ctx, actor, format_name), rev, verdict, message)
        write_new(detached, done.text)
        emit(ctx, attesting.detached(done, detached), format_name, output)
        return
    space = workspace(ctx, actor, format_name)
    if not verdict:
        verdict, message = _ask(ctx, space, rev, message)
    else:
        for change in changed_since(space, resolve_one(space, rev)):
            note(f"! {change}")
    emit(ctx, attesting.attested(record(space, rev, verdict, message), "review"), format_name, output)


def _ask(ctx: typer.Context, space: object, rev: str, message: str) -> tuple[str, str]:
    from migrate_flow.services.content import resolve_one
    from migrate_flow.services.review import require_reviewable
    from migrate_flow.services.show import show
    from migrate_flow.services.workspace import Workspace
    from migrate_flow.views import showing

    if not interactive(ctx) or not isinstance(space, Workspace):
        raise UsageError(
            "say --approve or --request-changes", hint=f"migrate-flow review {rev} --approve", where="review"
        )
    require_reviewable(space, resolve_one(space, rev))
    emit(ctx, showing.reading(show(space, rev)))
    answer = typer.prompt("approve, request-changes, or nothing", default="nothing", err=True).strip()
    if answer not in ("approve", "request-changes"):
        raise typer.Exit(0)
    if answer == "request-changes" and not message:
        message = typer.prompt("what has to change", err=True)
    return answer, message


def register(app: typer.Typer) -> None:
    app.command(short_help="As a peer, say what you think of a migration.")(review)
