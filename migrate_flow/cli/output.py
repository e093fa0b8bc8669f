"""Where documents and errors leave the program: data on stdout, all else on stderr."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

import typer

from migrate_flow.cli.options import Globals
from migrate_flow.cli.paths import write_atomically
from migrate_flow.core.redaction import redact
from migrate_flow.core.text import safe, shortened
from migrate_flow.errors import MigrateFlowError
from migrate_flow.formats import require

if TYPE_CHECKING:
    from migrate_flow.core.document import Document

_REPEATED = 80  # characters of a huge input
_LONGEST_NAME, _LONGEST_PATH = 255, 4096
_ENDLESS = re.compile(rf"[^\s/'\"`]{{{_LONGEST_NAME + 1},}}")


def emit(
    ctx: typer.Context, document: Document, name: str = "table", output: Path | None = None, *, paged: bool = False
) -> None:
    """Show a document; a closed stdout never changes what was done. paged: where a person sits at a terminal and it is
    longer than that. Raises UsageError."""
    from migrate_flow.formats import Medium, render

    check_format(name, findings="findings" in document.data)
    if output is not None:
        buffer = io.StringIO()
        render(document, name, Medium(buffer))
        write_atomically(output, buffer.getvalue())
        return
    if paged and _somebody_reads(ctx) and name == "table":
        buffer = io.StringIO()
        render(document, name, Medium(buffer, width(sys.stdout), wants_color(ctx, sys.stdout)))
        if buffer.getvalue().count("\n") >= shutil.get_terminal_size().lines:
            import pydoc

            os.environ.setdefault("LESS", "FRX")  # colours as they are, and the text stays when it ends
            pydoc.pager(buffer.getvalue())
            return
    out = _Out(sys.stdout)
    try:
        render(document, name, Medium(cast("TextIO", out), width(sys.stdout), wants_color(ctx, sys.stdout)))
        out.flush()
    except _Unwritten as unwritten:
        # Nobody reads, or nothing takes it any more. What was done is done, and the exit code still says so.
        error = unwritten.error
        if not isinstance(error, BrokenPipeError):
            note(f"the output can't be written: {error.strerror}")
        _give_up(sys.stdout)


class _Unwritten(Exception):
    """What stdout did not take: no error of whoever makes what is written."""

    def __init__(self, error: OSError) -> None:
        self.error = error


class _Out:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            raise _Unwritten(error) from error

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            raise _Unwritten(error) from error


def _give_up(stream: TextIO) -> None:
    """Nobody takes what is written: without this, the interpreter's last flush would change the exit code."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _somebody_reads(ctx: typer.Context) -> bool:
    asked = not (isinstance(ctx.obj, Globals) and ctx.obj.no_input)
    return asked and sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def check_format(name: str, *, findings: bool = False) -> None:
    """Before anything is done: a format that does not exist must not be found out afterwards. findings: whether the
    command reports some."""
    require(name, findings=findings)


def width(stream: TextIO) -> int:
    """Columns of a terminal; 0 where the stream is none, so that nothing is cut for a reader that is a program."""
    return shutil.get_terminal_size().columns if stream.isatty() else 0


def wants_color(ctx: typer.Context | None, stream: TextIO) -> bool:
    options = ctx.obj if ctx is not None and isinstance(ctx.obj, Globals) else Globals()
    quiet = options.no_color or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not quiet


def note(text: str) -> None:
    """A line for the person at the terminal; never data."""
    try:
        print(safe(redact(text)), file=sys.stderr, flush=True)  # noqa: T201
    except OSError:
        _give_up(sys.stderr)


def _wrapped(text: str) -> list[str]:
    """By words on a terminal; a command in it is one line, to be copied."""
    columns = width(sys.stderr)
    if not columns or len(text) <= columns // 2:  # which takes no library to know
        return [text]
    from migrate_flow.formats._wrapped import wrapped

    return list(wrapped(safe(text), columns, hang="  "))


def _without_bulk(text: str, words: Sequence[str]) -> str:
    """What an error repeats of a huge input is cut: no name, key or path that anything takes is as long as that."""
    for word in words:
        for given in (word.strip().rstrip("/"), word.partition("=")[2].strip().rstrip("/")):
            if len(given) > (_LONGEST_PATH if "/" in given else _LONGEST_NAME):
                cut = shortened(given, _REPEATED)
                for form in (given, given.lower(), repr(given)[1:-1], ascii(given)[1:-1]):
                    text = text.replace(form, cut)
    return _ENDLESS.sub(lambda found: shortened(found[0], _REPEATED), text)


def show_error(error: MigrateFlowError, *, as_json: bool, words: Sequence[str] = ()) -> None:
    """One error, in the promised form: text on stderr, or JSON on stdout and nothing else. words: of the command."""
    parts = (error.message, error.hint, str(error.where))
    message, hint, where = (_without_bulk(redact(text), words) for text in parts)
    if as_json:
        import json

        values = {"code": error.code, "message": message, "hint": hint, "where": where}
        try:
            print(json.dumps({"schema": "migrate-flow/error/1", "error": values}, indent=2), flush=True)  # noqa: T201
        except OSError:
            _give_up(sys.stdout)
        return
    for line in _wrapped(f"error: {message}"):
        note(line)
    if where:
        note(f"where: {where}")
    for line in _wrapped(f"hint: {hint}"):
        note(line)
