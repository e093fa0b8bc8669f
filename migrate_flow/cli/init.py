"""`init`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from migrate_flow.cli.options import Format, Output
from migrate_flow.cli.output import check_format, emit
from migrate_flow.cli.paths import write_atomically
from migrate_flow.cli.session import interactive, options


def init(
    ctx: typer.Context,
    env: Annotated[
        list[str] | None, typer.Option("--env", metavar="NAME=URL", help="An environment; repeat, in order.")
    ] = None,
    ledger: Annotated[str, typer.Option("--ledger", metavar="URL", help="Where the ledger lies.")] = "",
    person: Annotated[
        list[str] | None, typer.Option("--person", metavar="EMAIL[=ROLE,…]", help="Default: git's user.email.")
    ] = None,
    role: Annotated[list[str] | None, typer.Option("--role", metavar="ROLE", help="Roles of the person.")] = None,
    alembic: Annotated[str, typer.Option("--alembic", metavar="PATH", help="alembic.ini or pyproject.toml.")] = "",
    key_store: Annotated[str, typer.Option("--key-store", metavar="STORE", help="keyring, file or project.")] = "",
    recovery_key: Annotated[
        Path | None,
        typer.Option("--recovery-key", metavar="FILE", help="Write an offline key that can sign policies there."),
    ] = None,
    succeeds: Annotated[
        str, typer.Option("--succeeds", metavar="OLD_URL", help="Last resort: a new ledger that follows this one.")
    ] = "",
    message: Annotated[str, typer.Option("-m", "--message", metavar="WHY", help="Why, for --succeeds.")] = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """Put an Alembic project under the flow: migrate-flow.toml, a key, and the ledger."""
    from migrate_flow.bootstrap import initialise
    from migrate_flow.views import project

    check_format(format_name)
    given = options(ctx).config
    wishes = initialise.Wishes(
        folder=given.absolute().parent if given else Path.cwd(),
        environments=tuple(env or ()),
        ledger=ledger,
        people=tuple(person or ()),
        roles=tuple(role or ()),
        alembic=alembic,
        key_store=key_store,
        recovery=recovery_key.absolute() if recovery_key else None,
        succeeds=succeeds,
        why=message,
    )
    if (
        initialise.lacks_alembic(wishes)
        and interactive(ctx)
        and typer.confirm("There is no Alembic project here. Make one (alembic init migrations)?", err=True)
    ):
        initialise.make_alembic_project(wishes.folder)
    emit(ctx, project.init(initialise.initialise(wishes, write_atomically)), format_name, output)


def register(app: typer.Typer) -> None:
    app.command(short_help="Put an Alembic project under the flow.")(init)
