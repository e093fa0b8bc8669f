"""`verify`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from migrate_flow.cli.options import Format, Output
from migrate_flow.cli.output import check_format, emit
from migrate_flow.cli.paths import another_than
from migrate_flow.cli.progress import busy


def verify(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A bundle or a jsonl, as export wrote it.")],
    genesis: Annotated[
        str, typer.Option("--genesis", metavar="HASH", help="Of the ledger that it must be of: [ledger] genesis.")
    ] = "",
    since: Annotated[
        str, typer.Option("--since", metavar="SEQ:HASH", help="A head from an earlier export: it must be in this one.")
    ] = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """Prove an export, offline: no project, ledger, key or network. Says what it can't prove, too. Exit 4 if broken."""
    from migrate_flow.bootstrap import keyring
    from migrate_flow.exports.reader import opened
    from migrate_flow.services import verify_file
    from migrate_flow.views import verifying

    check_format(format_name)
    another_than(file, output)
    origin = verify_file.parse_genesis(genesis) if genesis else ""
    head = verify_file.parse_since(since) if since else None
    with opened(file) as evidence, busy(f"proving {file.name}"):
        report = verify_file.verify_file(evidence, keyring.SshsigVerifier(), genesis=origin, since=head)
    emit(ctx, verifying.verified(report), format_name, output)
    raise typer.Exit(0 if report.ok else 4)


def register(app: typer.Typer) -> None:
    app.command()(verify)
