"""`drift`, `drift accept`"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from migrate_flow.cli.options import As, Env, Format, Output, Why
from migrate_flow.cli.output import emit
from migrate_flow.cli.progress import busy
from migrate_flow.cli.session import workspace
from migrate_flow.errors import MigrateFlowError

if TYPE_CHECKING:
    from migrate_flow.services.drift import Drifted
    from migrate_flow.services.workspace import Workspace

group = typer.Typer(
    invoke_without_command=True,
    rich_markup_mode=None,
    help="The live schema against the one last recorded. Exit 1 where they differ, or where that can't be told.",
)


@group.callback()
def drift(
    ctx: typer.Context,
    env: Annotated[str, typer.Option("--env", metavar="ENV", help="The environment's name. Default: all.")] = "",
    actor: As = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    if ctx.invoked_subcommand:
        return
    from migrate_flow.services import drift as service
    from migrate_flow.views import drifting

    wanted, space = [env] if env else (), workspace(ctx, actor, format_name, reads=True)
    with busy("reading the schemas"):
        found = _seen(space, wanted)
    fresh = [one.environment for one in found if one.new]
    if fresh or not found:  # to be recorded, by what all entries say; nobody else is looked at again
        space = workspace(ctx, actor, format_name)
        with busy("reading the schemas"):
            again = service.drift(space, fresh or wanted)
        found = _in_place(found, again)
    emit(ctx, drifting.drift(found), format_name, output)
    raise typer.Exit(0 if all(one.clean for one in found) else 1)


def _seen(space: Workspace, wanted: Sequence[str]) -> tuple[Drifted, ...]:
    """Empty where it can't be told of all: what stands before the error is recorded all the same."""
    from migrate_flow.services.drift import drift as look

    try:
        return look(space, wanted, records=False)
    except MigrateFlowError:
        return ()


def _in_place(found: Sequence[Drifted], again: Sequence[Drifted]) -> tuple[Drifted, ...]:
    newer = {one.environment: one for one in again}
    return tuple(newer.get(one.environment, one) for one in found or again)


@group.command()
def accept(
    ctx: typer.Context,
    env: Env,
    why: Why,
    actor: As = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """From now on the schema is right as it is; the ledger says who said so, and why."""
    from migrate_flow.services import drift as service
    from migrate_flow.views import drifting

    done = service.accept(workspace(ctx, actor, format_name), env, why)
    emit(ctx, drifting.accepted(done), format_name, output)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="drift")
