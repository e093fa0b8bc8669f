"""Judges rows on all cores, in the order in which they come, never with more than a few chunks under way.

Processes of our own rather than `multiprocessing`: those would import the whole command line again before they begin,
see the terminal's Ctrl-C, and outlive a parent that is killed.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import chain, islice
from queue import Empty, SimpleQueue
from threading import Lock
from typing import IO, cast

from migrate_flow.errors import LedgerError
from migrate_flow.services.verify_chunk import Answer, Check, Judged, Row, judge_rows

MOST = 8  # this process reads the ledger and folds it meanwhile: it can't keep more of them busy
CHUNKS_ALONE = 6  # so many are done here sooner than processes start
# No secret of ours: a worker needs an interpreter and its libraries, nothing else.
_KEPT = frozenset(("PATH", "HOME", "LANG", "SYSTEMROOT", "TMPDIR", "TEMP", "VIRTUAL_ENV"))
_KEPT_PREFIXES = ("PYTHON", "LD_", "DYLD_", "OPENSSL_")
_AHEAD = 3  # chunks for each process: one in work, one waiting, one on its way back

Verdicts = Generator[tuple[Row, Judged], None, None]


def cores() -> int:
    """Processors that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def judged(parts: Iterable[list[Row]], check: Check, processes: int, where: str) -> Verdicts:
    """Each row with what it shows, in order. processes: 0 for one a core. Close it to end the processes.

    Raises LedgerError if one of them ends before its time.
    """
    parts = iter(parts)
    first = list(islice(parts, CHUNKS_ALONE))
    processes = processes or min(cores(), MOST)
    everything = chain(first, parts)
    if processes > 1 and len(first) == CHUNKS_ALONE:
        return _by_processes(everything, check, processes, where)
    return (verdict for part in everything for verdict in zip(part, judge_rows(part, check), strict=True))


def _by_processes(parts: Iterator[list[Row]], check: Check, processes: int, where: str) -> Verdicts:
    waiting: deque[tuple[list[Row], Future[Answer]]] = deque()
    # What is entered last is left first: the threads can end once no worker keeps them waiting.
    with ThreadPoolExecutor(processes) as threads, closing(_Workers(check)) as workers, ExitStack() as asked:
        asked.callback(threads.shutdown, wait=False, cancel_futures=True)
        while True:
            for part in islice(parts, processes * _AHEAD - len(waiting)):
                waiting.append((part, threads.submit(workers.ask, part)))
            if not waiting:
                return
            rows, answer = waiting.popleft()
            with _explained(where):
                verdicts = answer.result()
            for row, (problems, key) in zip(rows, verdicts, strict=True):
                yield row, Judged(problems, key, None)


class _Workers:
    """One for each thread that asks, started by that thread: Ctrl-C is raised in the main one only, where it could come
    between the start of a process and our knowing of it, and leave it behind."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._all: list[_Worker] = []
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._starting, self._ended = Lock(), False

    def ask(self, rows: list[Row]) -> Answer:
        """Raises what a worker raises, and EOFError once they are closed."""
        try:
            worker = self._idle.get_nowait()
        except Empty:
            worker = self._start()
        try:
            return worker.ask(rows)
        finally:
            self._idle.put(worker)

    def _start(self) -> _Worker:
        with self._starting:
            if self._ended:
                raise EOFError
            self._all.append(_Worker(self._check))
            return self._all[-1]

    def close(self) -> None:
        with self._starting:
            self._ended = True
        for worker in self._all:
            worker.close()


class _Worker:
    """A process of `verify_worker`, out of reach of the terminal's signals: the one that started it ends it."""

    def __init__(self, check: Check) -> None:
        kept = {n: v for n, v in os.environ.items() if n in _KEPT or n.startswith(_KEPT_PREFIXES)}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "migrate_flow.services.verify_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**kept, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,
        )
        self._to, self._from = cast(IO[bytes], self._process.stdin), cast(IO[bytes], self._process.stdout)
        self._begins = pickle.dumps(check)

    def ask(self, rows: list[Row]) -> Answer:
        """Raises OSError, EOFError or UnpicklingError if it is gone."""
        self._to.write(self._begins + pickle.dumps(rows))
        self._to.flush()
        self._begins = b""
        return cast(Answer, pickle.load(self._from))  # noqa: S301 - it runs our own code

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._to, self._from):
            with suppress(OSError):  # what could not be sent any more is of no interest
                stream.close()


@contextmanager
def _explained(where: str) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, pickle.UnpicklingError) as error:
        raise LedgerError(
            "the ledger is not verified: a process that helped with it ended before its time",
            hint="migrate-flow ledger verify, with more memory if it was that",
            where=where,
        ) from error
