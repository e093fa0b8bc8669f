"""`self-review`"""

from __future__ import annotations

from typing import Annotated

import typer

from migrate_flow.cli.options import As, Format, Output, Rev
from migrate_flow.cli.output import emit, note
from migrate_flow.cli.rehearse import TIMEOUT_MIN, Timeout
from migrate_flow.cli.session import checks, interactive, workspace


def self_review(
    ctx: typer.Context,
    rev: Rev,
    attest: Annotated[bool, typer.Option("--attest", help="Yes to every item of the checklist.")] = False,
    timeout: Timeout = TIMEOUT_MIN,
    actor: As = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """As the author, vouch for the script as it is now: it is linted and rehearsed, and its SQL stored.

    Exit 1 where the checks find an error; nothing is recorded then. A rehearsal that somebody recorded for the same
    bytes and ancestors (check --record) is not run again.
    """
    from migrate_flow.cli.progress import drain
    from migrate_flow.services import self_review as service
    from migrate_flow.services.rehearse import Effort
    from migrate_flow.views import attesting

    space = workspace(ctx, actor, format_name)
    items = service.checklist(space)
    answers = dict.fromkeys(items, attest)
    asks = bool(items) and not attest and interactive(ctx)
    if not asks:
        service.require_answers(space, rev, answers)
    examined = drain(service.examine(space, checks(space), rev, Effort(patience_s=timeout * 60)))
    if not examined.ok:
        emit(ctx, attesting.self_reviewed(examined), format_name, output)
        raise typer.Exit(1)
    if asks:
        if space.config.project.style_guide:
            note(f"style guide: {space.config.project.style_guide}")
        answers = {item: typer.confirm(item, err=True) for item in items}
    done = service.self_review(space, examined, answers)
    emit(ctx, attesting.self_reviewed(examined, done), format_name, output)


def register(app: typer.Typer) -> None:
    app.command("self-review", short_help="As the author, vouch for the script as it is now.")(self_review)
