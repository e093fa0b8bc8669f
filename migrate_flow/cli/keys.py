"""`keys new`, `keys list`"""

from __future__ import annotations

from typing import Annotated

import typer

from migrate_flow.cli.options import Format, Output
from migrate_flow.cli.output import check_format, emit
from migrate_flow.cli.session import project_root

group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Signing keys on this machine.")


@group.command()
def new(
    ctx: typer.Context,
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Whose key it is.")],
    store: Annotated[str, typer.Option("--store", metavar="STORE", help="keyring, file or project.")] = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """Make an Ed25519 key, and print its public half."""
    from migrate_flow.bootstrap import keyring
    from migrate_flow.views import project

    check_format(format_name)
    made = keyring.KeyRing(project_root(ctx)).create(email.strip().lower(), store)
    emit(ctx, project.key(made.person, made.public_key, made.fingerprint, made.where), format_name, output)


@group.command("list")
def list_(ctx: typer.Context, format_name: Format = "table", output: Output = None) -> None:
    """The keys that this machine can sign with."""
    from migrate_flow.bootstrap import keyring
    from migrate_flow.views import project

    check_format(format_name)
    ring = keyring.KeyRing(project_root(ctx))
    found = [(key.person, key.public_key, key.fingerprint, key.where) for key in ring.local]
    emit(ctx, project.keys(found, ring.tried), format_name, output)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="keys")
