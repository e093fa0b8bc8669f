"""Runs the commands of [hooks] on the entries that this process has appended: never before the act is over, each for a
bounded time, and without any say in how the act ends."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from migrate_flow.core.entry import Entry

TOGETHER_S = 60.0  # for all hooks of one command
SHOWN, LINES = 1_000, 10  # characters and lines of a failed hook's output, its last ones
_CHUNK = 1 << 16
_PATIENCE_S = 1.0
_LONGEST_END_S = 5.0  # of a hook that is interrupted


@dataclass(frozen=True, slots=True)
class Hook:
    """on: beginnings of entry kinds. command: as a list; a program with a slash is relative to the root."""

    name: str
    on: Sequence[str]
    command: Sequence[str]
    timeout_s: float

    def wants(self, entry: Entry) -> bool:
        return entry.kind.startswith(tuple(self.on))


@dataclass(slots=True)
class Hooks:
    """document: what a hook reads of an entry. hidden: variables that hold what the flow keeps secret."""

    hooks: Sequence[Hook]
    root: Path
    document: Callable[[Entry], Mapping[str, Any]]
    hidden: Collection[str] = ()
    waiting: list[Entry] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def heard(self, entry: Entry) -> None:
        """An entry was appended: no more than noted."""
        if any(hook.wants(entry) for hook in self.hooks):
            self.waiting.append(entry)

    def run(self) -> list[str]:
        """Runs what waits, in the order of the entries; what went wrong, in lines. Never raises: Ctrl-C ends the hooks,
        and nothing else."""
        entries, self.waiting[:] = list(self.waiting), []
        todo = [(entry, hook) for entry in entries for hook in self.hooks if hook.wants(entry)]
        said: list[str] = []
        if not todo:
            return said
        # No signal is ever raised in a thread, so that no process is lost between its start and its end.
        over = threading.Event()  # NOTE: a Thread.join that was interrupted takes the thread for ended, in Python 3.11
        threading.Thread(target=self._all, args=(todo, said, over), name="hooks", daemon=True).start()
        try:
            over.wait()
        except KeyboardInterrupt:
            self._stop.set()
            over.wait(_LONGEST_END_S)
            said.append("warning: the hooks were interrupted; what the command did is done")
        return said

    def _all(self, todo: Sequence[tuple[Entry, Hook]], said: list[str], over: threading.Event) -> None:
        try:
            self._each(todo, said)
        finally:
            over.set()

    def _each(self, todo: Sequence[tuple[Entry, Hook]], said: list[str]) -> None:
        ends, slow, late = time.monotonic() + TOGETHER_S, set[str](), 0
        for entry, hook in todo:
            left = ends - time.monotonic()
            if left <= 0 or hook.name in slow or self._stop.is_set():
                late += 1
                continue
            try:
                problem, output = self._one(hook, entry, min(left, hook.timeout_s))
            except Exception as error:
                problem, output = f"{type(error).__name__}: {error}", []
            if problem.startswith("took longer"):
                slow.add(hook.name)
            if problem and not self._stop.is_set():
                said.append(f"warning: hook {hook.name} on entry {entry.seq} ({entry.kind}): {problem}")
                said += [f"  | {line}" for line in output]
        if late:
            said.append(
                f"warning: no time was left for hooks: {late} {'run was' if late == 1 else 'runs were'} left out"
            )

    def _one(self, hook: Hook, entry: Entry, timeout_s: float) -> tuple[str, list[str]]:
        """What went wrong, empty if nothing did; and what it said."""
        program, *words = hook.command
        path = str(self.root / program) if "/" in program or os.sep in program else program
        with tempfile.TemporaryFile() as given:
            given.write(json.dumps(self.document(entry), ensure_ascii=False).encode() + b"\n")
            given.seek(0)
            try:
                process = subprocess.Popen(
                    [path, *words], stdin=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.root,
                    env=self._environment(), start_new_session=True,
                )  # fmt: skip
            except (OSError, ValueError) as error:
                return f"{shlex.quote(program)} can't be run: {getattr(error, 'strerror', None) or error}", []
        output = _Tail(process.stdout)
        code = self._wait(process, timeout_s)
        _end(process)
        if code is None:
            return f"took longer than {timeout_s:.3g} s, and was ended", output.close()
        return f"exit {code}" if code else "", output.close()

    def _wait(self, process: subprocess.Popen[bytes], timeout_s: float) -> int | None:
        """The exit code; None where it took too long, or all is to stop."""
        ends, pause = time.monotonic() + timeout_s, 0.001
        while (code := _over(process)) is None and time.monotonic() < ends and not self._stop.wait(pause):
            pause = min(pause * 2, 0.05)
        return code

    def _environment(self) -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if name not in self.hidden}


class _Tail:
    """The last characters that come out of a pipe; the rest is read and forgotten, however much it is."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        self._kept = b""
        self._pipe = pipe
        self._reader = threading.Thread(target=self._read, name="hook", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while self._pipe and (chunk := os.read(self._pipe.fileno(), _CHUNK)):
                self._kept = (self._kept + chunk)[-4 * SHOWN :]

    def close(self) -> list[str]:
        """What was said, once the process is over. A daemon that it left behind may hold the pipe for longer."""
        self._reader.join(_PATIENCE_S)
        if self._pipe and not self._reader.is_alive():
            self._pipe.close()
        return self._kept.decode(errors="replace")[-SHOWN:].strip().splitlines()[-LINES:]


def _over(process: subprocess.Popen[bytes]) -> int | None:
    """Its exit code, None while it runs. Where the system can, the process stays a zombie: as long as it is one, nobody
    else's processes can have its group's number."""
    if not hasattr(os, "waitid"):
        return process.poll()
    done = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if done is None:
        return None
    return done.si_status if done.si_code == os.CLD_EXITED else -done.si_status


def _end(process: subprocess.Popen[bytes]) -> None:
    """The process, and what it left running in its group."""
    if process.returncode is None:
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_PATIENCE_S)
