"""What a shell completes: revisions, environments and people, from the configuration's text and the scripts' headers.

Neither the ledger nor a database is asked, nothing of the project is run, and none of the large libraries is loaded: a
person waits for it at every press of the key.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer._click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from typer._click.core import Command, Context

FILE_NAME = "migrate-flow.toml"
Found = Iterator[tuple[str, str]]  # what is completed, and what is said beside it


def attach(command: Command) -> None:
    """By what a parameter's metavar says that it takes; below a group, to each of its commands."""
    for parameter in command.params:
        source = _SOURCES.get((parameter.metavar or "").strip("[]"))
        if source is not None:
            parameter._custom_shell_complete = _asking(source)
    for inner in getattr(command, "commands", {}).values():
        attach(inner)


def _asking(source: Callable[[Path, dict[str, Any]], Found]) -> Callable[..., list[CompletionItem]]:
    def complete(ctx: Context, _parameter: object, incomplete: str) -> list[CompletionItem]:
        try:
            given = ctx.find_root().params.get("config")
            path = Path(given) if given else _nearest()
            found = list(source(path, tomllib.loads(path.read_text("utf-8"))))
        except Exception:  # whatever is wrong here is said by the command itself
            return []
        return [CompletionItem(word, help=said) for word, said in found if word.startswith(incomplete)]

    return complete


def _nearest() -> Path:
    here = Path.cwd()
    return next(folder / FILE_NAME for folder in (here, *here.parents) if (folder / FILE_NAME).is_file())


def _environments(_path: Path, values: dict[str, Any]) -> Found:
    for name, environment in values["environments"].items():
        upstream = ", ".join(environment.get("upstream", ()))
        yield name, f"after {upstream}" if upstream else ""


def _people(_path: Path, values: dict[str, Any]) -> Found:
    for name, person in values.get("people", {}).items():
        yield name, ", ".join(person.get("roles", ()))


def _revisions(path: Path, values: dict[str, Any]) -> Found:
    from migrate_flow.alembic_adapter.scripts import read_scripts
    from migrate_flow.alembic_adapter.settings import read_settings

    root, project = path.absolute().parent, values["project"]
    settings = read_settings(root / project.get("alembic", "alembic.ini"), project.get("alembic_section", "alembic"))
    yield "head", ""
    for revision in reversed(read_scripts(settings, root).revisions.values()):
        yield revision.id, revision.message


_SOURCES = {"ENV": _environments, "REV": _revisions, "PERSON": _people, "EMAIL": _people}
