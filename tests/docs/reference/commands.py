"""docs/reference/commands.md: each command as its own help has it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from typer.main import get_command

from migrate_flow.cli.app import app
from tests.docs.reference import FOLDER, NOTE, one_line, table

FILE = FOLDER / "commands.md"
HEAD = f"""\
# Commands

{NOTE.format(source="the commands in `migrate_flow/cli`")}
`migrate-flow COMMAND --help` says the same.
`REV` is a revision's full id, a unique beginning of it of four or more characters, `head`, `heads` or `LABEL@head`.
`ENV` is an environment's name in `migrate-flow.toml`.

Data goes to stdout, all else to stderr.
`--format json` gives one [document](documents.md); every command ends with one of these [exit codes](exit-codes.md).
"""
HELP = "--help"


@cache
def tree() -> Any:
    """The root of the command tree, with all that is below it."""
    root: Any = get_command(app)
    root.load_all()
    return root


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Each command by its words, groups that can be run themselves too."""
    below = getattr(command, "commands", {})
    if path and (not below or command.invoke_without_command):
        yield " ".join(path), command
    for name, each in below.items():
        yield from leaves(each, (*path, name))


def written() -> str:
    root = tree()
    found = dict(leaves(root))
    parts = [HEAD, "\n", table(("command", "does"), ([_link(name), _first(each.help)] for name, each in found.items()))]
    parts.append("\n## Before the command\n\n" + _parameters(root))
    parts += [_section(name, command) for name, command in found.items()]
    return "".join(parts)


def _link(name: str) -> str:
    return f"[`{name}`](#{name.replace(' ', '-')})"


def _first(text: str) -> str:
    return one_line(text).partition(". ")[0].rstrip(".")


def _section(name: str, command: Any) -> str:
    usage = " ".join(["migrate-flow", name, *_usage(command)])
    return f"\n## {name}\n\n```text\n{usage}\n```\n\n{one_line(command.help)}\n\n{_parameters(command)}"


def _usage(command: Any) -> Iterator[str]:
    optional = False
    for parameter in command.params:
        if _is_argument(parameter):
            yield _argument(parameter)
        elif parameter.required:
            yield f"{parameter.opts[0]} {parameter.metavar}"
        else:
            optional = True
    if optional:
        yield "[OPTIONS]"


def _parameters(command: Any) -> str:
    rows = [[f"`{_spelling(each)}`", _help(each)] for each in command.params if HELP not in each.opts]
    return table(("option", "says"), rows)


def _is_argument(parameter: Any) -> bool:
    return not parameter.opts[0].startswith("-")


def _argument(parameter: Any) -> str:
    name = (parameter.metavar or parameter.name.upper()).strip("[].")
    name = name if parameter.required else f"[{name}]"
    return name + ("…" if parameter.nargs == -1 else "")


def _spelling(parameter: Any) -> str:
    if _is_argument(parameter):
        return _argument(parameter)
    return ", ".join(parameter.opts) + (f" {parameter.metavar}" if parameter.metavar else "")


def _help(parameter: Any) -> str:
    facts = []
    if parameter.required and not _is_argument(parameter):
        facts.append("required")
    default = parameter.default
    if isinstance(default, str | int) and not isinstance(default, bool) and default not in ("", 0):
        facts.append(f"default `{default}`")
    return one_line(parameter.help or "") + (f" ({', '.join(facts)})" if facts else "")
