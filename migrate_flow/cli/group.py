"""Turns every way in which a command can end into the promised exit code and error form."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from itertools import pairwise
from types import FrameType
from typing import TYPE_CHECKING, Any

from typer._click.exceptions import ClickException, NoArgsIsHelpError
from typer._click.exceptions import UsageError as ClickUsageError
from typer.core import TyperGroup
from typer.exceptions import Abort, TyperException

from migrate_flow.cli.output import note, show_error
from migrate_flow.core.redaction import SECRET_VARIABLES, redact, remember
from migrate_flow.errors import MigrateFlowError, Terminated, UsageError

if TYPE_CHECKING:
    from typer._click.core import Command, Context

INTERRUPTED, TERMINATED, BUG = 130, 143, 70
COMPLETING = "_MIGRATE_FLOW_COMPLETE"  # set by a shell that completes


_REPEATS = re.compile(r"(Got unexpected extra arguments?(?:\(s\))?) \(.*\)", re.DOTALL)

# While the first signal's consequences are recorded, a second one must not cut them short.
PATIENCE_S = 30.0


class _Signals:
    """SIGINT and SIGTERM, raised as exceptions where the program is; for a while only the first of them."""

    def __init__(self) -> None:
        self._first: float | None = None
        self.raised: KeyboardInterrupt | None = None
        self._previous: dict[int, Any] = {}

    def _raise(self, number: int, _frame: FrameType | None) -> None:
        if self._first is not None and time.monotonic() - self._first < PATIENCE_S:
            note("ending already: what was begun is undone or recorded first")
            return
        self._first = time.monotonic()
        self.raised = Terminated() if number == signal.SIGTERM else KeyboardInterrupt()
        raise self.raised

    def __enter__(self) -> _Signals:
        # Outside the main thread an embedding program handles its own signals.
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._raise) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            # The exit code is decided: one more, while the interpreter leaves, must not become another.
            signal.signal(number, handler if self.raised is None else signal.SIG_IGN)


class Group(TyperGroup):
    """The top of the command tree."""

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None and COMPLETING in os.environ:
            _completes(command)
        return name, command, rest

    def main(self, args: Sequence[str] | None = None, *_: Any, **extra: Any) -> Any:
        words = list(sys.argv[1:] if args is None else args)
        _open_streams()
        for name in SECRET_VARIABLES:
            remember(os.environ.get(name))
        if COMPLETING in os.environ:
            _completes(self)
        with _Signals() as signals:
            try:
                extra.pop("standalone_mode", None)
                code = super().main(words, standalone_mode=False, **extra)
                if code == INTERRUPTED and signals.raised is not None:
                    code = _ended(signals.raised, words)  # Typer makes an Exit(130) of either signal
            except BaseException as error:
                code = _ended(error, words)
        sys.exit(code if isinstance(code, int) else 0)


def _completes(command: Command) -> None:
    from migrate_flow.cli.complete import attach  # where a shell asks, and nobody else

    attach(command)


def _open_streams() -> None:
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123
        stream = getattr(sys, name)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _ended(error: BaseException, words: Sequence[str]) -> int:
    as_json, debug = _wants_json(words), "--debug" in words
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else BUG
    if debug and not isinstance(error, (ClickException, KeyboardInterrupt)):
        # Redacted whole: a secret may go over several lines.
        for line in redact("".join(traceback.format_exception(error))).splitlines():
            note(line)
    if isinstance(error, MigrateFlowError):
        show_error(error, as_json=as_json, words=words)
        return error.exit_code
    if isinstance(error, NoArgsIsHelpError):
        sys.stderr.write(error.format_message() + "\n")
        return UsageError.exit_code
    if isinstance(error, (ClickException, TyperException)):
        show_error(_usage(error), as_json=as_json, words=words)
        return UsageError.exit_code
    if isinstance(error, Terminated):
        note("terminated")
        return TERMINATED
    if isinstance(error, (KeyboardInterrupt, Abort, EOFError)):
        note("interrupted")
        return INTERRUPTED
    if isinstance(error, OSError) and error.filename:
        hint = "see that the file or folder is there, and that you may use it"
        show_error(UsageError(f"{error.filename}: {error.strerror}", hint=hint), as_json=as_json, words=words)
        return UsageError.exit_code
    show_error(_bug(error), as_json=as_json, words=words)
    return BUG


def _wants_json(words: Sequence[str]) -> bool:
    return "--format=json" in words or any(one == "--format" and two == "json" for one, two in pairwise(words))


def _usage(error: Exception) -> UsageError:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "migrate-flow"
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    if isinstance(error, ClickUsageError) and not message:
        message = "a command is missing"
    message = _REPEATS.sub(r"\1", message)  # what is one too many may be a secret
    return UsageError(message.rstrip(".").replace("\n", " "), hint=f"{path} --help", where=path)


def _bug(error: BaseException) -> MigrateFlowError:
    return MigrateFlowError(
        f"a bug in migrate-flow: {type(error).__name__}: {redact(str(error))}",
        hint="run it again with --debug before the command, and report what it prints",
    )
