"""The application, and what stands before the command."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from migrate_flow import __version__
from migrate_flow.cli.options import As, Globals
from migrate_flow.cli.verbs import Verbs

app = typer.Typer(
    cls=Verbs,
    name="migrate-flow",
    help="Promote Alembic migrations from review to production, on the record.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"migrate-flow {__version__}")
        raise typer.Exit


@app.callback()
def before(
    ctx: typer.Context,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="PATH", help="migrate-flow.toml; else searched upward from here.")
    ] = None,
    actor: As = "",
    no_input: Annotated[bool, typer.Option("--no-input", help="Never ask a question.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours (also: NO_COLOR=1).")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks, redacted.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Promote Alembic migrations from review to production, on the record."""
    del version
    ctx.obj = Globals(config, actor or os.environ.get("MIGRATE_FLOW_ACTOR", ""), no_input, no_color, debug)
