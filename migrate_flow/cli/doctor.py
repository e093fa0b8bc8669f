"""`doctor`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from migrate_flow.cli.options import As, Format, Output
from migrate_flow.cli.output import check_format, emit, note
from migrate_flow.cli.progress import busy
from migrate_flow.cli.session import config, workspace

if TYPE_CHECKING:
    from migrate_flow.core.checkup import Check


def doctor(
    ctx: typer.Context,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what is safe to mend, saying first what that is.")] = False,
    actor: As = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """What is wrong with configuration, ledger, keys and environments, and what mends it. Exit 1 if anything is."""
    from migrate_flow.bootstrap import examining, urls
    from migrate_flow.services.doctor import doctor as examine
    from migrate_flow.services.doctor import mend
    from migrate_flow.views import project

    check_format(format_name)

    def examined() -> list[Check]:
        return examine(
            lambda: workspace(ctx, actor, format_name),
            lambda space: urls.connection_hints(space.config),
            lambda space: examining.machine(space.config, space.history),
            lambda: examining.files(config(ctx)),
        )

    with busy("examining configuration, ledger, keys and environments"):
        checks, mended = examined(), list[str]()
    if fix and any(check.mend for check in checks):
        mended = mend(checks, lambda text: note(f"doctor: {text}"))
        checks = examined()
    emit(ctx, project.doctor(checks, mended), format_name, output)
    raise typer.Exit(1 if any(check.state == "problem" for check in checks) else 0)


def register(app: typer.Typer) -> None:
    app.command(short_help="What is wrong with the set-up, and what mends it.")(doctor)
