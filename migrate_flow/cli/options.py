"""Options that several commands share. Every one may stand before or after the command where the contract says so."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from migrate_flow.cli.paths import usable_output
from migrate_flow.formats import known


@dataclass
class Globals:
    """What stands before the command."""

    config: Path | None = None
    actor: str = ""
    no_input: bool = False
    no_color: bool = False
    debug: bool = False


def _either(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}."


As = Annotated[str, typer.Option("--as", metavar="PERSON", help="Whose key signs.")]
Format = Annotated[str, typer.Option("--format", metavar="FORMAT", help=_either(known()))]
FindingsFormat = Annotated[str, typer.Option("--format", metavar="FORMAT", help=_either(known(findings=True)))]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", metavar="FILE", callback=usable_output, help="Write there instead of to stdout, in one piece."
    ),
]
Env = Annotated[str, typer.Option("--env", metavar="ENV", help="The environment's name.")]
Rev = Annotated[str, typer.Argument(metavar="REV", help="A revision: id, unique prefix of 4 or more, or head.")]
Message = Annotated[str, typer.Option("-m", "--message", metavar="TEXT", help="A comment, recorded with the entry.")]
Why = Annotated[str, typer.Option("-m", "--message", metavar="WHY", help="The reason, recorded with the entry.")]
Detached = Annotated[
    Path | None,
    typer.Option(
        "--detached", metavar="FILE", help="Sign into FILE, without the ledger; somebody runs ledger submit FILE."
    ),
]
