"""`demo`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    ctx: typer.Context,
    directory: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="A new or empty folder; default: a fresh one.")
    ] = None,
) -> None:
    """A tour: a small shop on SQLite, four people, three migrations, from `new` to production."""
    from migrate_flow.cli.tour import Tour

    Tour.begin(directory, typer.echo).walk()


def register(app: typer.Typer) -> None:
    app.command(short_help="A tour of the whole flow: a small shop on SQLite.")(demo)
