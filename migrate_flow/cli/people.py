"""`people add`, `people remove`, `people role`"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from migrate_flow.cli.options import As, Format, Output
from migrate_flow.cli.output import check_format, emit
from migrate_flow.cli.paths import write_atomically
from migrate_flow.cli.session import config, options, project_root, workspace
from migrate_flow.errors import UsageError

if TYPE_CHECKING:
    from migrate_flow.services.people import Edited

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The person, in lower case.")]
Record = Annotated[bool, typer.Option("--record", help="Record the policy too, as a policy-admin.")]

group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The people of the policy.")


@group.command()
def add(
    ctx: typer.Context,
    email: Email,
    role: Annotated[list[str] | None, typer.Option("--role", metavar="ROLE", help="Repeatable.")] = None,
    key: Annotated[list[str] | None, typer.Option("--key", metavar="KEY", help="A public key; repeatable.")] = None,
    new_key: Annotated[bool, typer.Option("--new-key", help="Make a key for them here.")] = False,
    store: Annotated[str, typer.Option("--store", metavar="STORE", help="keyring, file or project.")] = "",
    record: Record = False,
    actor: As = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """Add a person, a role or a key to migrate-flow.toml; `policy record` puts it in force."""
    from migrate_flow.bootstrap import keyring
    from migrate_flow.services import people

    check_format(format_name)
    settings, person = config(ctx), _person(email)
    if not (role or key or new_key):
        raise UsageError("name a role or a key", hint=f"migrate-flow people add {person} --role developer --key 'KEY'")
    made = keyring.KeyRing(project_root(ctx)).prepare(person, store) if new_key else None
    keys = [*(key or ()), *([made.public_key] if made else [])]
    done = people.add(settings, person, role or (), keys)
    _finish(ctx, "people-add", done, record, actor, format_name, output, made.keep if made else None)


@group.command()
def remove(
    ctx: typer.Context,
    email: Email,
    record: Record = False,
    actor: As = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """Take a person out of migrate-flow.toml; from then on nobody signs for them."""
    from migrate_flow.services import people

    check_format(format_name)
    _finish(ctx, "people-remove", people.remove(config(ctx), _person(email)), record, actor, format_name, output)


@group.command("role")
def role_(
    ctx: typer.Context,
    email: Email,
    role: Annotated[
        list[str] | None, typer.Option("--role", metavar="ROLE", help="All roles from now on; repeatable.")
    ] = None,
    more: Annotated[list[str] | None, typer.Option("--add", metavar="ROLE", help="One more; repeatable.")] = None,
    fewer: Annotated[list[str] | None, typer.Option("--remove", metavar="ROLE", help="Not this one any more.")] = None,
    record: Record = False,
    actor: As = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """Change the roles of a person in migrate-flow.toml."""
    from migrate_flow.services import people

    check_format(format_name)
    person = _person(email)
    if not (role or more or fewer) or (role and (more or fewer)):
        hint = f"migrate-flow people role {person} --role developer --role backend-lead; or --add ROLE, --remove ROLE"
        raise UsageError("give all roles with --role, or changes with --add and --remove", hint=hint)
    done = people.change_roles(config(ctx), person, role or (), more or (), fewer or ())
    _finish(ctx, "people-role", done, record, actor, format_name, output)


def _person(email: str) -> str:
    return email.strip().lower()


def _finish(
    ctx: typer.Context,
    name: str,
    done: Edited,
    record: bool,
    actor: str,
    format_name: str,
    output: Path | None,
    keep: Callable[[], None] | None = None,
) -> None:
    """Write the file, sign it if that is wished for, and show what became of it. keep: keeps the person's new key.

    Who may not sign it is refused before anything is written.
    """
    from migrate_flow.services import policy
    from migrate_flow.views import governance

    settings, report = config(ctx), None
    space = workspace(ctx, actor or options(ctx).actor) if record else None
    if space is not None:
        policy.require_recordable(space, done.config.policy)
    if keep is not None:
        keep()
    write_atomically(settings.path, done.config.text)
    if space is not None:
        try:
            report = policy.record(replace(space, config=done.config))
        except BaseException:
            write_atomically(settings.path, settings.text)  # all or nothing: the command was to do both
            raise
    emit(ctx, governance.edited(done, name, report), format_name, output)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="people")
