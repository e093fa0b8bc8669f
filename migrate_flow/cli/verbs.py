"""The commands in the order of the lifecycle, each made when somebody asks for it: one command needs no other's."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer
from typer.core import TyperGroup
from typer.main import get_group

from migrate_flow.cli.group import Group
from migrate_flow.cli.values import take_plainly

if TYPE_CHECKING:
    from typer._click.core import Command, Context

VERBS = (
    "demo", "init", "adopt", "new", "track", "lint", "rehearse", "check", "self-review", "review", "approve",
    "withdraw", "revoke", "status", "show", "inbox", "log",
    "plan", "apply", "rollback", "recover", "drift", "compare", "guard", "export", "verify",
    "env", "keys", "people", "policy", "ledger", "doctor",
)  # fmt: skip


class Verbs(Group):
    """The top of the command tree. `commands` holds those that were asked for."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        take_plainly(self.get_params(ctx))
        return super().parse_args(ctx, args)

    def load_all(self) -> None:
        """For whoever looks at the whole tree."""
        for name in VERBS:
            self.commands[name] = self.commands.get(name) or self._make(name)

    def list_commands(self, ctx: Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        if cmd_name in VERBS:
            self.commands[cmd_name] = made = self.commands.get(cmd_name) or self._make(cmd_name)
            for command in _tree(made):
                take_plainly(command.get_params(ctx))
            return made
        self.load_all()  # what was meant is guessed among all of them
        return None

    def _make(self, name: str) -> Command:
        alone = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
        importlib.import_module(f"migrate_flow.cli.{name.replace('-', '_')}").register(alone)
        made = get_group(alone).commands[name]
        for command in _tree(made):
            command.short_help = command.short_help or _first_sentence(command.help or "")
        return made


def _first_sentence(text: str) -> str:
    """Whole: what Click makes of it by itself ends within a word's reach of the terminal's edge."""
    return " ".join(text.partition("\n\n")[0].split()).partition(". ")[0].rstrip(".") + "." if text else ""


def _tree(command: Command) -> Iterator[Command]:
    yield command
    for below in command.commands.values() if isinstance(command, TyperGroup) else ():
        yield from _tree(below)
