"""`recover`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from migrate_flow.cli.options import As, Env, Format, Message, Output
from migrate_flow.cli.output import emit
from migrate_flow.cli.progress import busy
from migrate_flow.cli.session import workspace
from migrate_flow.core.trace import Durability
from migrate_flow.errors import UsageError

if TYPE_CHECKING:
    from migrate_flow.services.recover import Settlement


def recover(
    ctx: typer.Context,
    env: Env,
    abandon: Annotated[
        bool, typer.Option("--abandon", help="Give a partial attempt up, after you undid what it left; -m says how.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Let the next apply go on after what is durable; -m says why.")
    ] = False,
    statement: Annotated[
        list[str] | None,
        typer.Option("--statement", metavar="N=done|not-done", help="State what became of a statement in doubt."),
    ] = None,
    terminate_orphan: Annotated[
        bool, typer.Option("--terminate-orphan", help="End what a killed process left running in the server.")
    ] = False,
    message: Message = "",
    actor: As = "",
    format_name: Format = "table",
    output: Output = None,
) -> None:
    """Settle an interrupted attempt from the evidence in the target. Runs no migration."""
    from migrate_flow.services.recover import Settlement
    from migrate_flow.services.recover import recover as run
    from migrate_flow.views import applying

    if abandon and (resume or statement):
        raise UsageError("--abandon goes with neither --resume nor --statement", hint="migrate-flow recover --help")
    settlement = Settlement(message.strip(), abandon, resume, _stated(statement or []), terminate_orphan)
    if settlement.decides != bool(settlement.why):
        deciding = "--abandon, --resume, --statement or --terminate-orphan"
        raise UsageError(
            f"a decision ({deciding}) and its reason (-m) belong together",
            hint=f"migrate-flow recover --env {env} {_given(settlement)} -m WHY",
        )
    space = workspace(ctx, actor, format_name)
    with busy(f"asking {env} what became of the attempt"):
        found = run(space, env, settlement)
    emit(ctx, applying.recovered(env, found), format_name, output)


def _given(settlement: Settlement) -> str:
    """The options as they were given, to be pasted."""
    said = {Durability.DONE: "done", Durability.NOT_DONE: "not-done"}
    words = [f"--statement {n}={said[state]}" for n, state in settlement.stated.items()]
    words += ["--abandon"] * settlement.abandon + ["--resume"] * settlement.resume
    return " ".join([*words, *["--terminate-orphan"] * settlement.end_orphans]) or "--abandon"


def _stated(words: list[str]) -> dict[int, Durability]:
    said = {"done": Durability.DONE, "not-done": Durability.NOT_DONE}
    found: dict[int, Durability] = {}
    for word in words:
        number, _, state = word.partition("=")
        if not (number.isascii() and number.isdigit()) or state not in said:
            raise UsageError(f"{word!r} is not N=done or N=not-done", hint="--statement 3=done", where="--statement")
        found[int(number)] = said[state]
    return found


def register(app: typer.Typer) -> None:
    app.command(short_help="Settle an interrupted attempt from the evidence.")(recover)
