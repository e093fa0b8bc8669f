"""`self-review`"""

from __future__ import annotations

from typing import Annotated

import typer

from migrate_flow.cli.options import As, Format, Output, Rev
from migrate_flow.cli.output import emit, note
from migrate_flow.cli.session import interactive, workspace


def self_review(
    ctx: typer.Context,
    rev: Rev,
    attest: Annotated[bool, typer.Option("--attest", help="Yes to every item of the checklist.")] = False,
    actor: As = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """As the author, vouch for the script as it is now; its SQL is rendered and stored."""
    from migrate_flow.services import self_review as service
    from migrate_flow.views import attesting

    space = workspace(ctx, actor, format_name)
    items = service.checklist(space)
    answers = dict.fromkeys(items, attest)
    if items and not attest and interactive(ctx):
        if space.config.project.style_guide:
            note(f"style guide: {space.config.project.style_guide}")
        answers = {item: typer.confirm(item, err=True) for item in items}
    done = service.self_review(space, rev, attested=attest or not items, answers=answers)
    emit(ctx, attesting.self_reviewed(done), format_name, output)


def register(app: typer.Typer) -> None:
    app.command("self-review")(self_review)
