"""`people add`"""

from __future__ import annotations

from typing import Annotated

import typer

from migrate_flow.cli.options import As, Format, Output
from migrate_flow.cli.output import check_format, emit
from migrate_flow.cli.paths import write_atomically
from migrate_flow.cli.session import config, options, project_root, workspace
from migrate_flow.errors import UsageError

group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The people of the policy.")


@group.command()
def add(
    ctx: typer.Context,
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The person, in lower case.")],
    role: Annotated[list[str] | None, typer.Option("--role", metavar="ROLE", help="Repeatable.")] = None,
    key: Annotated[list[str] | None, typer.Option("--key", metavar="KEY", help="A public key; repeatable.")] = None,
    new_key: Annotated[bool, typer.Option("--new-key", help="Make a key for them here.")] = False,
    store: Annotated[str, typer.Option("--store", metavar="STORE", help="keyring, file or project.")] = "",
    record: Annotated[bool, typer.Option("--record", help="Record the policy too, as a policy-admin.")] = False,
    actor: As = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """Add a person, a role or a key to migrate-flow.toml; `policy record` puts it in force."""
    from migrate_flow.bootstrap import keyring
    from migrate_flow.services import people, policy
    from migrate_flow.views import project

    check_format(format_name)
    settings, person = config(ctx), email.strip().lower()
    if not (role or key or new_key):
        raise UsageError("name a role or a key", hint=f"migrate-flow people add {person} --role developer --key 'KEY'")
    people.add(settings, person, role or (), key or ())
    keys = [*(key or ())]
    if new_key:
        keys.append(keyring.KeyRing(project_root(ctx)).create(person, store).public_key)
    done = people.add(settings, person, role or (), keys)
    write_atomically(settings.path, done.text)
    seq = policy.record(workspace(ctx, actor or options(ctx).actor)).recorded if record else 0
    emit(ctx, project.added(done, seq), format_name, output)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="people")
