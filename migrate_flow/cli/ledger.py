"""`ledger info`, `ledger verify`, `ledger submit`, `ledger upgrade`, `ledger grants`, `ledger copy`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from migrate_flow.cli.options import As, Format, Output
from migrate_flow.cli.output import check_format, emit, note
from migrate_flow.cli.progress import busy
from migrate_flow.cli.session import config, workspace

group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The ledger: what it is, and whether it holds.")


@group.command()
def info(ctx: typer.Context, actor: As = "", format_name: Format = "table", output: Output = None) -> None:
    """Where the ledger lies, its id, head and genesis."""
    from migrate_flow.views import project

    emit(ctx, project.ledger(workspace(ctx, actor, format_name)), format_name, output)


@group.command()
def verify(
    ctx: typer.Context,
    since: Annotated[
        str, typer.Option("--since", metavar="SEQ:HASH", help="A head from an earlier export: it must still be there.")
    ] = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """Prove chain, signatures, authority and artifacts from the stored bytes. Exit 4 if anything is wrong."""
    from migrate_flow.bootstrap import keyring, wiring
    from migrate_flow.bootstrap.witnesses import witnesses
    from migrate_flow.services.entry_times import ahead
    from migrate_flow.services.verify_ledger import parse_head
    from migrate_flow.services.verify_ledger import verify as check
    from migrate_flow.views import project

    check_format(format_name)
    head = parse_head(since) if since else None
    settings = config(ctx)
    store = wiring.open_ledger(settings)
    seen, silent = witnesses(settings, store)
    for text in silent:
        note(f"! {text}")
    with busy("proving chain, signatures and artifacts"):
        report = check(
            store,
            keyring.SshsigVerifier(),
            ledger_id=settings.ledger.id,
            genesis=settings.ledger.genesis,
            seen=seen,
            since=head,
        )
    for text in ahead(store, report.latest, wiring.now()):
        note(f"! {text}")
    emit(ctx, project.verified(report), format_name, output)
    raise typer.Exit(0 if report.ok else 4)


@group.command()
def submit(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="As review or approve --detached wrote it.")],
    actor: As = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """Append a review or an approval that somebody signed where the ledger could not be reached. Needs no key."""
    from migrate_flow.cli.paths import read_small
    from migrate_flow.services import detached
    from migrate_flow.views import attesting

    data = read_small(file)
    done = detached.submit(workspace(ctx, actor, format_name), data, str(file))
    emit(ctx, attesting.attested(done, "ledger-submit"), format_name, output)


@group.command()
def upgrade(ctx: typer.Context, format_name: Format = "table", output: Output = None) -> None:
    """Bring the ledger's schema to the one that this version writes to. No byte of an entry changes."""
    from migrate_flow.bootstrap import ledgers
    from migrate_flow.views import ledgers as views

    check_format(format_name)
    done, where = ledgers.upgrade(config(ctx))
    emit(ctx, views.upgraded(where, done.before, done.after, done.backup), format_name, output)


@group.command()
def grants(
    ctx: typer.Context,
    role: Annotated[
        str, typer.Option("--role", metavar="NAME", help="The role that the product logs in as.")
    ] = "migrate_flow",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """SQL for psql: what a role needs of a ledger on PostgreSQL, and nothing more. The tables' owner runs it."""
    from migrate_flow.bootstrap import ledgers
    from migrate_flow.views import ledgers as views

    check_format(format_name)
    emit(ctx, views.grants(role, ledgers.grants(config(ctx), role)), format_name, output)


@group.command()
def copy(
    ctx: typer.Context,
    new_url: Annotated[
        str, typer.Argument(metavar="NEW_URL", help="A URL without password, env:NAME or keyring:NAME.")
    ],
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """Copy the whole ledger into a new one, such as a team's on PostgreSQL. Every hash stays."""
    from migrate_flow.bootstrap import ledgers
    from migrate_flow.views import ledgers as views

    check_format(format_name)
    done = ledgers.copy(config(ctx), new_url)
    emit(ctx, views.copied(done.copied, done.source, done.destination, done.url), format_name, output)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="ledger")
