"""`revoke`"""

from __future__ import annotations

from typing import Annotated

import typer

from migrate_flow.cli.options import As, Format, Output, Why
from migrate_flow.cli.output import emit
from migrate_flow.cli.session import workspace


def revoke(
    ctx: typer.Context,
    seq: Annotated[int, typer.Argument(metavar="SEQ", min=1, help="The position of an attestation of your own.")],
    why: Why,
    actor: As = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """Take back one of your own reviews, approvals or self-reviews, from now on."""
    from migrate_flow.services.withdraw import revoke as run
    from migrate_flow.views import attesting

    done = run(workspace(ctx, actor, format_name), seq, why)
    emit(ctx, attesting.attested(done, "revoke"), format_name, output)


def register(app: typer.Typer) -> None:
    app.command(short_help="Take back one of your own attestations.")(revoke)
