"""`keys new`, `keys list`, `keys revoke`"""

from __future__ import annotations

from typing import Annotated

import typer

from migrate_flow.cli.options import As, Format, Output, Why
from migrate_flow.cli.output import check_format, emit, note
from migrate_flow.cli.session import options, project_root, workspace

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
    """The keys that this machine can sign with; of those in ssh-agent and ~/.ssh, the ones that the policy knows."""
    from migrate_flow.bootstrap import keyring
    from migrate_flow.views import project

    check_format(format_name)
    ring = keyring.KeyRing(project_root(ctx))
    known, tried = ring.known(keyring.proposed_policy(options(ctx).config))
    if ring.broken is not None:
        note(f"! {ring.broken.where}: {ring.broken.message}; nothing is signed until that is mended")
    found = [(key.person, key.public_key, key.fingerprint, key.where, key.store) for key in known]
    emit(ctx, project.keys(found, tried), format_name, output)


@group.command()
def revoke(
    ctx: typer.Context,
    fingerprint: Annotated[
        str, typer.Argument(metavar="FINGERPRINT", help="SHA256:…, as `keys list` and `policy show` name it.")
    ],
    why: Why,
    since: Annotated[
        int, typer.Option("--since", metavar="SEQ", min=0, help="Undo what it signed from this entry on, too.")
    ] = 0,
    actor: As = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """Take a lost or stolen key out of use, as its holder or a policy-admin."""
    from migrate_flow.bootstrap import keyring
    from migrate_flow.services.revoke_key import revoke_key
    from migrate_flow.views import governance

    room = keyring.KeyRing(project_root(ctx)).room
    done = revoke_key(workspace(ctx, actor, format_name), fingerprint, why, since, room)
    emit(ctx, governance.key_revoked(done), format_name, output)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="keys")
