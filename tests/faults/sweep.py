"""kill -9 before any call by which an apply changes something, or waits for a server.

strace counts the calls, each name and each thread by itself, and kills at one of them. That call does not happen: the
signal is there as the process enters it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance import databases
from tests.faults.matrix import MARIADB, SQLITE
from tests.faults.place import BEFORE, FIRST, NEW, Place
from tests.faults.test_failpoints import AFTER
from tests.support import proof
from tests.support.alembic_projects import ADA
from tests.support.keeper import installed

CHANGES = (
    *("write", "writev", "pwrite64", "pwritev", "pwritev2", "fsync", "fdatasync", "ftruncate"),
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "sendto", "sendmsg"),
)
# They change nothing here, but a server is still at work on what was sent, a COMMIT for example, as the client dies.
WAITS = ("poll", "ppoll", "recvfrom", "recvmsg")
LEDGER = "/.migrate-flow/ledger.db"
RUN_S = 60.0
WITH_FIRST_ROW = {"t_aaaa01": AFTER["t_aaaa01"]}
NOTHING_OPEN = "nothing open"
# What may be durable on MariaDB without a receipt, where recovery says that a part is.
UNFINISHED = (BEFORE, WITH_FIRST_ROW, {**WITH_FIRST_ROW, "fresh": []})


@dataclass(frozen=True, slots=True)
class Point:
    """The number-th call of this name in the main thread, counted from the process's start."""

    name: str
    number: int

    def __str__(self) -> str:
        return f"{self.name}-{self.number}"


@dataclass(frozen=True, slots=True)
class Traced:
    """A traced apply. calls: of the main thread, as strace shows them; others: how many those of other threads and
    processes were. code: -9 when it was killed."""

    code: int
    calls: tuple[str, ...]
    others: int

    @property
    def intent(self) -> int | None:
        """The position of the first write to the ledger, which is the intent's."""
        return next((n for n, call in enumerate(self.calls) if LEDGER in call and "write" in _name(call)), None)

    def points(self) -> list[Point]:
        """Every call from the intent's first write to the exit."""
        counts: Counter[str] = Counter()
        found = []
        for call in self.calls:
            counts[_name(call)] += 1
            found.append(Point(_name(call), counts[_name(call)]))
        assert self.intent is not None, "no write to the ledger is in the trace"
        return found[self.intent :]


def calls_of(dialect: str) -> tuple[str, ...]:
    """The names of the calls that are swept."""
    return CHANGES if dialect == SQLITE else (*CHANGES, *WAITS)


def warm_up(place: Place) -> None:
    """An apply of its own, so that all byte code is there: writing it must not count."""
    with place.started("apply", "--env", "dev") as process:
        out, err = process.communicate(timeout=RUN_S)
        assert process.returncode == 0, out + err


def traced_apply(place: Place, log: Path, kill_at: Point | None = None) -> Traced:
    """Run the installed command in a fresh interpreter, below strace.

    NOTE: with --seccomp-bpf, which would be faster, strace 6.1 does not deliver the signal.
    """
    strace = [installed("strace", "strace"), "-f", "-qq", "-y", "-e", "signal=none"]
    strace += ["-e", f"trace={','.join(calls_of(place.dialect))}", "-o", str(log)]
    if kill_at is not None:
        strace += ["-e", f"inject={kill_at.name}:signal=SIGKILL:when={kill_at.number}"]
    command = [str(Path(sys.executable).parent / "migrate-flow"), "--as", ADA, "apply", "--env", "dev"]
    process = subprocess.Popen(
        [*strace, *command],
        cwd=place.shell.folder,
        env={**place.shell.variables, "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        out, _ = process.communicate(timeout=RUN_S)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)  # strace alone would let go of what it traces
        process.communicate()
        raise
    # strace ends as the traced process did.
    assert process.returncode in (0, -signal.SIGKILL), f"exit {process.returncode}\n{out}"
    return _read(log, process.returncode)


def require_truth(place: Place) -> str:
    """What must hold after a kill. Raises AssertionError where it does not; the place is applied at the end.

    Returns what recovery found.
    """
    assert place.json("ledger", "verify")["ok"]
    found = _recover(place)
    applied = place.receipts() == 1
    assert (place.heads() == [NEW]) == (place.state() == "applied") == applied
    assert place.heads() == [NEW if applied else FIRST]
    left = (BEFORE,) if found in ("failed", NOTHING_OPEN) else UNFINISHED
    assert databases.contents(place.url) in ((AFTER,) if applied else left)
    outcomes = [(step["revision"], step["outcome"]) for step in place.apply()["steps"]]
    assert outcomes == ([] if applied else [(NEW, "applied")])
    place.applied_once(lambda: _require_contents(place))
    _require_one_outcome(place)
    return found


def _recover(place: Place) -> str:
    """What a person does after a crash. Where a part is durable, they look at the database, and let it go on."""
    done = place.shell.flow("recover", "--env", "dev", "--format", "json", actor=ADA, code=None)
    if done.code == 0:
        return " ".join(item["outcome"] for item in json.loads(done.out)["recovered"]) or NOTHING_OPEN
    assert (place.dialect, done.code) == (MARIADB, 6), done
    asked = re.search(r"--statement (\d+)=", json.loads(done.out)["error"]["hint"])
    # The only statement of the script that commits by itself, and so can be in doubt, makes a table.
    made = "done" if "fresh" in place.tables() else "not-done"
    stated = ("--statement", f"{asked[1]}={made}") if asked else ()
    place.recover(*stated, "--resume", "-m", "the machine went down; looked at the database")
    return f"in doubt, it was {made}" if asked else "partial"


def _require_contents(place: Place) -> None:
    assert databases.contents(place.url) == AFTER


def _require_one_outcome(place: Place) -> None:
    """Of all attempts of the second revision one was applied, and all have an end."""
    entries = [(row["kind"], proof.predicate(row)) for row in proof.rows(place.shell.folder)]
    ours = [(kind, fields) for kind, fields in entries if fields.get("revision") == NEW and "attempt" in fields]
    applied = [
        fields["attempt"]
        for kind, fields in ours
        if kind == "apply.applied" or (kind == "apply.recovered" and fields["outcome"] == "applied")
    ]
    assert len(applied) == 1, applied
    intended = [fields["attempt"] for kind, fields in ours if kind == "apply.intended"]
    assert len(intended) == len(set(intended))
    assert set(intended) == {fields["attempt"] for kind, fields in ours if kind != "apply.intended"}


def _read(log: Path, code: int) -> Traced:
    """NOTE: a call that another thread interrupts is shown twice, the second time as `<... NAME resumed>`."""
    lines = [line.split(maxsplit=1) for line in log.read_text(errors="replace").splitlines()]
    calls = [(pid, text) for pid, text in lines if _name(text)]
    main = calls[0][0] if calls else ""
    return Traced(code, tuple(text for pid, text in calls if pid == main), sum(pid != main for pid, _ in calls))


def _name(call: str) -> str:
    """The call's name; "" for what is no call's beginning."""
    found = re.match(r"(\w+)\(", call)
    return found[1] if found else ""
