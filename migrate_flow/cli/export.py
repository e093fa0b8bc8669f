"""`export`"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import Annotated

import typer

from migrate_flow.cli.options import As, Output
from migrate_flow.cli.output import emit, note
from migrate_flow.cli.progress import busy
from migrate_flow.cli.session import options, tell_at_the_end

FormatName = Annotated[
    str, typer.Option("--format", metavar="FORMAT", help="jsonl, csv, xlsx, md, html or bundle.", show_default=True)
]
Since = Annotated[str, typer.Option("--since", metavar="TIME", help="Entries from this time on, in UTC.")]
Until = Annotated[str, typer.Option("--until", metavar="TIME", help="Entries before this time.")]
AsOf = Annotated[
    int | None, typer.Option("--as-of", min=1, metavar="SEQ", show_default=False, help="Up to this position.")
]


def export(
    ctx: typer.Context,
    format_name: FormatName = "jsonl",
    output: Output = None,
    since: Since = "",
    until: Until = "",
    env: Annotated[str, typer.Option("--env", metavar="ENV", help="About this environment.")] = "",
    person: Annotated[str, typer.Option("--person", metavar="PERSON", help="Signed by this person.")] = "",
    revision: Annotated[str, typer.Option("--revision", metavar="REV", help="About this migration.")] = "",
    kind: Annotated[str, typer.Option("--kind", metavar="KIND", help="A kind, or its beginning, as apply.")] = "",
    as_of: AsOf = None,
    no_record: Annotated[bool, typer.Option("--no-record", help="Leave no entry; needs no key.")] = False,
    actor: As = "",
) -> None:
    """Evidence for auditors: the entries as they are, or a row for each change. The ledger notes who took it."""
    from migrate_flow.bootstrap.exporting import archive
    from migrate_flow.cli.binary import stream_to
    from migrate_flow.core.audit import Selection
    from migrate_flow.exports import require_format, write
    from migrate_flow.services.export import gather
    from migrate_flow.views import exporting

    require_format(format_name, terminal=output is None and sys.stdout.isatty())
    given = options(ctx)
    opened = archive(given.config, (actor or given.actor).strip().lower(), asks=not given.no_input)
    tell_at_the_end(ctx, opened.tell)
    selection = Selection(since, until, env, person, revision, kind)
    with busy("reading the ledger"):
        done = gather(opened, selection, format_name, as_of=as_of or 0, record=not no_record)
    if done.unrecorded:
        note(f"! not recorded, as with --no-record: {done.unrecorded}")
    with stream_to(output) as out, busy(f"writing {output.name}") if output else nullcontext():
        write(done, format_name, out)
    if output is not None:
        emit(ctx, exporting.exported(done, format_name, output))


def register(app: typer.Typer) -> None:
    app.command(short_help="Evidence for auditors, in a format of their choice.")(export)
