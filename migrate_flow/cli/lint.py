"""`lint`"""

from __future__ import annotations

from typing import Annotated

import typer

from migrate_flow.cli.options import As, FindingsFormat, Output
from migrate_flow.cli.output import emit
from migrate_flow.cli.session import config, lint_project, workspace


def lint(
    ctx: typer.Context,
    revs: Annotated[list[str] | None, typer.Argument(metavar="REV", help="Revisions; works without ledger.")] = None,
    since: Annotated[
        str, typer.Option("--since", metavar="GIT_REF", help="What changed since this branch left it; without ledger.")
    ] = "",
    rule: Annotated[str, typer.Option("--explain", metavar="RULE", help="Print a rule's documentation.")] = "",
    no_squawk: Annotated[bool, typer.Option("--no-squawk", help="Don't ask squawk about PostgreSQL's SQL.")] = False,
    actor: As = "",
    format_name: FindingsFormat = "table",
    output: Output = None,
) -> None:
    """Static rules; default: what is not applied everywhere yet. Exit 1 on an error that is not waived."""
    from migrate_flow.services.explain import explain
    from migrate_flow.services.lint import lint as run
    from migrate_flow.views import checking

    if rule:
        emit(ctx, checking.explained(explain(rule, lambda: config(ctx))), format_name, output)
        return
    project = lint_project(ctx, format_name, squawk=not no_squawk)
    report = run(project, revs or (), since, lambda: workspace(ctx, actor, format_name))
    emit(ctx, checking.lint(report), format_name, output)
    raise typer.Exit(0 if report.ok else 1)


def register(app: typer.Typer) -> None:
    app.command()(lint)
