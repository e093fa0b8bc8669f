"""From the options of a command to a workspace, and the questions that a terminal may be asked."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from migrate_flow.cli.options import Globals
from migrate_flow.cli.output import check_format, note

if TYPE_CHECKING:
    from migrate_flow.config.load import Config
    from migrate_flow.services.check import Checks
    from migrate_flow.services.detached import Apart
    from migrate_flow.services.lint import Project
    from migrate_flow.services.workspace import Workspace


def options(ctx: typer.Context) -> Globals:
    return ctx.obj if isinstance(ctx.obj, Globals) else Globals()


def workspace(
    ctx: typer.Context,
    actor: str = "",
    format_name: str = "table",
    *,
    reads: bool = False,
    only_shows: bool = False,
) -> Workspace:
    """The project here, wired. reads: for a command that signs nothing. only_shows: nor judges anything. Raises
    ConfigError, LedgerError, UsageError."""
    from migrate_flow.bootstrap import wiring

    check_format(format_name)
    given = options(ctx)
    person = (actor or given.actor).strip().lower()
    space = wiring.workspace(given.config, person, asks=not given.no_input, reads=reads, only_shows=only_shows)
    tell_at_the_end(ctx, space.tell)
    return space


def tell_at_the_end(ctx: typer.Context, tell: Callable[[], Iterable[str]]) -> None:
    """The hooks run when all is done, shown and let go. Nothing that happens then becomes the command's exit code."""
    ctx.call_on_close(lambda: _tell(tell))


def _tell(tell: Callable[[], Iterable[str]]) -> None:
    if isinstance(sys.exc_info()[1], KeyboardInterrupt):
        return  # whoever ends us is not kept waiting
    for line in tell():
        note(line)


def without_ledger(ctx: typer.Context, actor: str = "", format_name: str = "table") -> Apart:
    """The project here, wired but for the ledger, which need not be in reach. Raises ConfigError, UsageError."""
    from migrate_flow.bootstrap import wiring

    check_format(format_name)
    given = options(ctx)
    return wiring.apart(given.config, (actor or given.actor).strip().lower(), asks=not given.no_input)


def lint_project(ctx: typer.Context, format_name: str = "table", *, squawk: bool = True) -> Project:
    """What the static rules need, the ledger apart. Raises ConfigError, UsageError."""
    from migrate_flow.bootstrap import wiring

    check_format(format_name, findings=True)
    return wiring.lint_project(options(ctx).config, squawk=squawk)


def checks_here(ctx: typer.Context, format_name: str = "table", *, squawk: bool = True) -> Checks:
    """The static rules and rehearsals of the project here, without its ledger. Raises ConfigError, UsageError."""
    from migrate_flow.bootstrap import wiring

    check_format(format_name, findings=True)
    return wiring.checks(wiring.load_config(options(ctx).config), squawk=squawk)


def checks(workspace: Workspace) -> Checks:
    """The same over the scripts of a workspace. Raises ConfigError."""
    from migrate_flow.bootstrap import wiring

    return wiring.checks(workspace.config)


def config(ctx: typer.Context) -> Config:
    from migrate_flow.bootstrap import wiring

    return wiring.load_config(options(ctx).config)


def interactive(ctx: typer.Context) -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty() and not options(ctx).no_input


def project_root(ctx: typer.Context) -> Path | None:
    """The folder of migrate-flow.toml, None outside a project."""
    from migrate_flow.config.load import find
    from migrate_flow.errors import ConfigError

    given = options(ctx).config
    try:
        return (given if given is not None else find(Path.cwd())).absolute().parent
    except ConfigError:
        return None
