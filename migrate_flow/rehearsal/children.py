"""Child processes, each with a part of the revisions, and what is said of one that did not come to its end.

A child is the first of a process group and has a folder of its own, so that neither what a script started nor what it
wrote there outlives it, however it ends. If the parent is killed instead, the child's standard input ends, and with it
the child.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import IO, Any, cast

from migrate_flow import errors
from migrate_flow.core.redaction import redact
from migrate_flow.core.rehearsal import Grade, Now, Part, Rehearsal, from_document
from migrate_flow.errors import MigrateFlowError, TargetError
from migrate_flow.rehearsal.scratch import new_name

WORTH_A_PROCESS = 8  # revisions
NEXT_STEP = b"\0next step\0\n"  # a child's stderr has it before each
_KEPT_NOISE = 4096


@dataclass(frozen=True, slots=True)
class Job:
    """What a child is told: see `Walk`. config: path of migrate-flow.toml. server: URL with its secret, empty for
    SQLite. driver: of the project's own URL. salt: of templates. broken: revisions that can't be applied, and why.
    name: of the scratch database. folder: for temporary files. path: where modules are imported from."""

    config: str
    dialect: str
    order: Sequence[str]
    wanted: Sequence[str]
    manifests: Mapping[str, str]
    bases: Mapping[str, str]
    parents: Mapping[str, Sequence[str]]
    server: str = ""
    driver: str = ""
    baseline: str = ""
    salt: str = ""
    broken: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    folder: str = ""
    path: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Nursery:
    """How children are started and ended. command: reads a `Job` on stdin. clear: takes away the scratch database of a
    child that could not do it by itself. patience_s: so long may a step say nothing."""

    command: Sequence[str]
    clear: Callable[[Job], None]
    patience_s: float


def rehearse(job: Job, nursery: Nursery, processes: int) -> Iterator[Now | Rehearsal]:
    """As they come, in no order. Raises what the child raised where nothing could be rehearsed at all."""
    told: queue.Queue[Now | Rehearsal | BaseException | None] = queue.Queue()
    running = [_Child(part, nursery, told) for part in _parts(job, processes)]
    left = len(running)
    # What stands before all parts is built once, by the first: the others find its template.
    waiting = running[1:] if job.order[0] not in job.wanted else []
    try:
        for child in running[: len(running) - len(waiting)]:
            child.start()
        while left:
            event = told.get()
            if not isinstance(event, BaseException) and not (isinstance(event, Now) and event.building):
                for child in waiting:
                    child.start()
                waiting = []
            if event is None:
                left -= 1
            elif isinstance(event, BaseException):
                raise event
            else:
                yield event
    finally:
        for child in running:
            child.stop()
        for child in running:
            if child.ident is not None:
                child.join()


def _parts(job: Job, processes: int) -> list[Job]:
    """Neighbours stay together. A later part first builds what stands before it, which is a third of the work: so it
    is shorter."""
    count = max(1, min(processes, len(job.wanted) // WORTH_A_PROCESS))
    if count == 1:
        return [job]
    place = {revision: number for number, revision in enumerate(job.order)}
    wanted = sorted(job.wanted, key=place.__getitem__)
    shares = [(2 / 3) ** number for number in range(count)]
    parts, begin = [], 0
    for number in range(count):
        end = len(wanted) if number == count - 1 else begin + max(1, round(len(wanted) * shares[number] / sum(shares)))
        chosen = wanted[begin:end]
        if chosen:
            parts.append(replace(job, order=job.order[: place[chosen[-1]] + 1], wanted=chosen))
        begin = end
    return parts


class _Child(threading.Thread):
    """Sees to one part, with a new process after each crash."""

    def __init__(self, job: Job, nursery: Nursery, told: queue.Queue[Any]) -> None:
        super().__init__(name="rehearsal", daemon=True)
        self._job, self._nursery, self._told = job, nursery, told
        self._process: subprocess.Popen[bytes] | None = None
        self._guard = threading.Lock()  # of the two that `stop` shares
        self._stopped = False
        self._heard = time.monotonic()
        self._overdue = False

    def run(self) -> None:
        job: Job | None = self._job
        try:
            while job is not None and not self._stopped:
                folder = _folder()
                try:
                    job = self._once(replace(job, name=new_name(), folder=folder))
                finally:
                    shutil.rmtree(folder, ignore_errors=True)
        except BaseException as error:
            self._told.put(error)
        finally:
            self._told.put(None)

    def stop(self) -> None:
        with self._guard:
            self._stopped = True
            if self._process is not None:
                _kill(self._process)

    def _once(self, job: Job) -> Job | None:
        """The job that is left after a crash, None at the end."""
        process = self._begun(job)
        if process is None:
            return None
        # Its stderr holds what scripts print; only the end is of use, for a crash.
        noise = bytearray()
        listener = threading.Thread(target=_drain, args=(process.stderr, noise), daemon=True)
        over = threading.Event()
        watchdog = threading.Thread(target=self._watch, args=(process, over), daemon=True)
        told = _Told()
        silent = False
        try:
            listener.start()
            watchdog.start()
            # NOTE: left open, since its end is what tells the child that we are gone.
            with suppress(BrokenPipeError):
                stdin = cast(IO[bytes], process.stdin)
                stdin.write(json.dumps(asdict(job)).encode() + b"\n")
                stdin.flush()
            for line in cast(IO[bytes], process.stdout):
                self._heard = time.monotonic()
                if (event := told.hear(json.loads(line))) is not None:
                    self._told.put(event)
            silent = True
        finally:
            if not (silent or told.ended):
                _kill(process)
            code = self._reaped(process)
            over.set()
            watchdog.join()
            listener.join(5)
            for stream in (process.stdin, process.stdout, process.stderr):
                with suppress(OSError):
                    cast(IO[bytes], stream).close()
            if not told.ended:
                self._nursery.clear(job)
        if told.ended or self._stopped:
            return None
        return self._after_crash(job, told, self._ending(code, bytes(noise)))

    def _begun(self, job: Job) -> subprocess.Popen[bytes] | None:
        """None where there was an end to it before."""
        with self._guard:
            if self._stopped:
                return None
            self._heard, self._overdue = time.monotonic(), False
            # A session of its own: Ctrl-C in a terminal must reach the parent alone, which cleans up behind it.
            self._process = subprocess.Popen(
                self._nursery.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env={**os.environ, "TMPDIR": job.folder}, start_new_session=True,
            )  # fmt: skip
            return self._process

    def _reaped(self, process: subprocess.Popen[bytes]) -> int:
        """Its exit code. What it started and left running ends with it. It may have closed its output and go on: the
        watchdog sees to that."""
        with suppress(ChildProcessError):
            # Not yet reaped: until then nobody else can have the group's number.
            if hasattr(os, "waitid"):
                os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with self._guard:
            _kill(process)
            self._process = None
        return process.wait()

    def _watch(self, process: subprocess.Popen[bytes], over: threading.Event) -> None:
        while not over.wait(max(0.05, self._heard + self._nursery.patience_s - time.monotonic())):
            if time.monotonic() - self._heard >= self._nursery.patience_s:
                self._overdue = True
                _kill(process)
                return

    def _ending(self, code: int, noise: bytes) -> str:
        if self._overdue:
            return f"it took longer than {self._nursery.patience_s / 60:g} min (--timeout)"
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        last = noise.rpartition(NEXT_STEP)[2].decode(errors="replace").strip().rsplit("\n", 1)[-1][-300:]
        return redact(f"the script ended the process ({how})" + (f": {last}" if last else ""))

    def _after_crash(self, job: Job, told: _Told, why: str) -> Job | None:
        now = told.now
        if now is None or (now.revision in told.done and not now.building):
            when = "before it began" if now is None else f"after {now.revision}, between two steps"
            raise TargetError(f"the rehearsal ended {when}: {why}", hint="migrate-flow doctor")
        left = [revision for revision in job.wanted if revision not in told.done]
        blank = Rehearsal(now.revision, job.dialect, "", job.manifests[now.revision], job.bases[now.revision])
        broken = dict(job.broken)
        if now.building or now.part is Part.UPGRADE:
            broken[now.revision] = why
        if not now.building:
            passed = now.part is not Part.UPGRADE
            self._told.put(
                replace(
                    blank,
                    upgrade=passed,
                    downgrade=None if not passed else now.part is Part.REUPGRADE,
                    reupgrade=False if now.part is Part.REUPGRADE else None,
                    grade=Grade.IRREVERSIBLE if passed else None,
                    error=f"{now.part}: {why}",
                )
            )
            left.remove(now.revision)
        if not left:
            return None
        return replace(job, wanted=left, broken=broken)


@dataclass
class _Told:
    """What one process said. now: what it was at last about to do. done: rehearsed. ended: whether it came to its
    end."""

    now: Now | None = None
    done: set[str] = field(default_factory=set)
    ended: bool = False

    def hear(self, said: Mapping[str, Any]) -> Now | Rehearsal | None:
        """Raises what it raised."""
        if "error" in said:
            self.ended = True
            raise _as_raised(said["error"])
        if "now" in said:
            self.now = Now(said["now"]["revision"], said["now"]["building"], Part(said["now"]["part"]))
            return self.now
        if "rehearsal" in said:
            rehearsal = from_document(said["rehearsal"])
            self.done.add(rehearsal.revision)
            return rehearsal
        self.ended = self.ended or "end" in said
        return None


def _folder() -> str:
    try:
        return tempfile.mkdtemp(prefix="migrate-flow-scratch-")
    except OSError as error:
        hint = "free some space there, or set TMPDIR to another folder"
        raise TargetError(f"no scratch database can be made: {error.strerror}", hint=hint, where="TMPDIR") from error


def _kill(process: subprocess.Popen[bytes]) -> None:
    """At once: what it leaves is cleaned up by the parent."""
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _drain(stream: Any, noise: bytearray) -> None:
    with suppress(OSError, ValueError):
        while chunk := stream.read1(65536):
            noise += chunk
            del noise[:-_KEPT_NOISE]


def _as_raised(said: Mapping[str, str]) -> MigrateFlowError:
    kind = getattr(errors, said["kind"], TargetError)
    raised: MigrateFlowError = kind(said["message"], hint=said["hint"], where=said["where"])
    return raised
