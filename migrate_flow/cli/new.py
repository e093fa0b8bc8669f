"""`new`"""

from __future__ import annotations

from typing import Annotated

import typer

from migrate_flow.cli.options import As, Format, Output
from migrate_flow.cli.output import emit
from migrate_flow.cli.session import workspace


def new(
    ctx: typer.Context,
    message: Annotated[str, typer.Option("-m", "--message", metavar="MESSAGE", help="What the migration changes.")],
    rationale: Annotated[str, typer.Option("--rationale", metavar="TEXT", help="Why, for the docstring.")] = "",
    rollback: Annotated[str, typer.Option("--rollback", metavar="TEXT", help="What the way back loses.")] = "",
    autogenerate: Annotated[bool, typer.Option("--autogenerate", help="Compare models and first environment.")] = False,
    head: Annotated[str, typer.Option("--head", metavar="REV", help="The parent, where there are several heads.")] = "",
    merge: Annotated[list[str] | None, typer.Option("--merge", metavar="REV", help="Repeat: heads to merge.")] = None,
    more: Annotated[list[str] | None, typer.Argument(metavar="REV", help="More heads to merge.")] = None,
    branch_label: Annotated[str, typer.Option("--branch-label", metavar="LABEL", help="A label for the branch.")] = "",
    depends_on: Annotated[list[str] | None, typer.Option("--depends-on", metavar="REV", help="Repeatable.")] = None,
    version_path: Annotated[str, typer.Option("--version-path", metavar="PATH", help="A version location.")] = "",
    rev_id: Annotated[str, typer.Option("--rev-id", metavar="ID", help="Instead of a generated id.")] = "",
    splice: Annotated[bool, typer.Option("--splice", help="Allow a parent that is no head.")] = False,
    actor: As = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """Write a new migration script, and record `created`."""
    from migrate_flow.services.new import new as make
    from migrate_flow.services.ports import NewRevision
    from migrate_flow.views import attesting

    heads = (*(merge or ()), *(more or ())) if merge else (head,) if head else ()
    request = NewRevision(
        message=message,
        rationale=rationale,
        rollback=rollback,
        heads=heads,
        autogenerate=autogenerate,
        branch_label=branch_label,
        depends_on=tuple(depends_on or ()),
        version_path=version_path,
        revision_id=rev_id,
        splice=splice,
    )
    made = make(workspace(ctx, actor, format_name), request)
    emit(ctx, attesting.new(made), format_name, output)


def register(app: typer.Typer) -> None:
    app.command()(new)
