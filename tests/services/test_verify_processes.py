"""Verifying on several cores: the same answer, a bounded number of rows under way, and no process left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path

import pytest

from migrate_flow.errors import LedgerError
from migrate_flow.ledger.store import locate
from migrate_flow.services import verify_chunk, verify_processes
from migrate_flow.services.verify_chunk import Row, chunks, judge
from migrate_flow.services.verify_ledger import Verified, verify
from migrate_flow.services.verify_processes import judged
from migrate_flow.signing import sshsig
from tests.services.ledgers import Stored, ledger
from tests.support.builders import ADA, opened, public_key

LONG = 12_000
PATIENCE_S = 60
needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds child processes in /proc")


class Plain:
    """Implements `Verifier`, as other processes can be given it."""

    key_of = staticmethod(sshsig.public_key_of)
    verify = staticmethod(sshsig.verify)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes start for a short ledger, too."""
    monkeypatch.setattr(verify_processes, "CHUNKS_ALONE", 2)
    monkeypatch.setattr(verify_chunk, "ROWS_AT_ONCE", 7)


def by(processes: int, stored: Stored) -> Verified:
    return verify(stored, Plain(), processes=processes)


def children(pid: int | str = "self") -> set[str]:
    try:
        return {child for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()}
    except OSError:
        return set()


def alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(holds: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def damaged() -> Stored:
    """Something wrong in every seventh entry, of every sort, and an entry gone."""
    rows = [dict(row) for row in ledger().rows if row["seq"] != 33]
    for row in rows[6::7]:
        match row["seq"] % 6:
            case 0:
                row["statement"] = row["statement"].replace(b'"seq"', b'"seq","seq"')
            case 1:
                row["signature"] = "unreadable"
            case 2:
                row["actor"] = None
            case 3:
                row["hash"] = row["hash"].upper()
            case 4:
                row["statement"] = row["statement"].decode()
            case _:
                row["statement"] = row["statement"].replace(b'"_type":', b'"_type":"x","_type":')
    return Stored(rows, ledger().contents[1:])


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("processes", [2, 3])
def test_the_answer_is_the_same_with_any_number_of_processes(processes: int) -> None:
    assert by(processes, ledger()) == by(1, ledger())
    alone = by(1, damaged())
    assert by(processes, damaged()) == alone
    assert len({problem.seq for problem in alone.problems}) >= 9


@needs_proc
@pytest.mark.usefixtures("soon")
def test_a_short_ledger_starts_no_process() -> None:
    before = children()
    short = Stored(ledger().rows[:7])
    assert [row[0] for row, _ in judged(chunks(short.raw_rows()), sshsig.verify, 2, "here")] == list(range(1, 8))
    assert children() == before


def endless(taken: list[int]) -> Iterator[list[Row]]:
    (part,) = chunks(islice(ledger().raw_rows(), 7))
    for number in count():
        taken.append(number)
        yield part


@needs_proc
@pytest.mark.usefixtures("soon")
def test_rows_are_taken_only_as_verdicts_come_back_and_nothing_is_left_when_nobody_asks_for_more() -> None:
    before, taken = children(), list[int]()
    answers = judged(endless(taken), sshsig.verify, 2, "here")
    for _ in range(7):
        _row, shown = next(answers)
        assert not shown.problems
    assert len(taken) <= 2 * verify_processes._AHEAD
    started = children() - before
    assert len(started) == 2
    answers.close()
    assert children() == before
    assert not any(map(alive, started))


@needs_proc
@pytest.mark.usefixtures("soon")
def test_a_process_that_is_killed_ends_the_verification_with_an_error_and_the_other_processes() -> None:
    before, taken = children(), list[int]()
    answers = judged(endless(taken), sshsig.verify, 2, "here")
    next(answers)
    os.kill(int(min(children() - before)), signal.SIGKILL)
    with pytest.raises(LedgerError, match="ended before its time") as raised:
        for _ in answers:
            pass
    assert (raised.value.where, raised.value.exit_code) == ("here", 4)
    assert raised.value.hint.startswith("migrate-flow ledger verify")
    assert children() == before


def test_every_row_that_another_process_finds_sound_reads_the_same_here() -> None:
    for part in chunks(ledger().raw_rows()):
        for row in part:
            assert (judge(row, sshsig.verify).problems, judge(row, sshsig.verify).key) == ([], public_key(row[8]))


CONFIGURATION = f"""\
[project]
name = "shop"

[ledger]
url = "sqlite:///ledger.db"

[environments.dev]
url = "sqlite:///dev.db"

[people."{ADA}"]
roles = ["developer"]
keys = ["{public_key(ADA)}"]
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose ledger takes seconds to verify."""
    folder = tmp_path_factory.mktemp("long")
    (folder / "migrate-flow.toml").write_text(CONFIGURATION)
    written = opened()
    entry = written.created()
    while written.head.seq < LONG:
        # The same signature again and again: as much work to verify, and little to make.
        written.put(entry.statement, entry.signature)
    locate("sqlite:///ledger.db", folder).create(lambda new: new.add_entries(written.entries))
    return folder


@pytest.fixture
def running(project: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The installed command, verifying with two processes or more."""
    command = Path(sys.executable).with_name("migrate-flow")
    output = subprocess.PIPE
    with subprocess.Popen([command, "ledger", "verify"], cwd=project, stdout=output, stderr=output) as process:
        try:
            until(lambda: len(children(process.pid)) >= 2 or process.poll() is not None, "no process was started")
            yield process
        finally:
            process.kill()


several = pytest.mark.skipif(verify_processes.cores() < 2, reason="one core: the command starts no processes")


@needs_proc
@several
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_ends_it_within_seconds_and_leaves_no_process(
    running: subprocess.Popen[bytes], number: signal.Signals, code: int
) -> None:
    started = children(running.pid)
    assert len(started) >= 2
    running.send_signal(number)
    out, err = running.communicate(timeout=PATIENCE_S)
    assert (running.returncode, out) == (code, b"")
    assert b"Traceback" not in err
    assert not any(map(alive, started))


@needs_proc
@several
def test_ctrl_c_as_it_starts_its_processes_leaves_none(project: Path) -> None:
    """Between the start of a process and knowing of it there was a moment in which nobody would have ended it."""
    command = Path(sys.executable).with_name("migrate-flow")
    for wait_ms in range(10):
        started: set[str] = set()
        with subprocess.Popen(
            [command, "ledger", "verify"], cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            until(lambda: children(process.pid), "no process was started")
            time.sleep(wait_ms / 1000)
            process.send_signal(signal.SIGINT)
            while process.poll() is None:
                started |= children(process.pid)
        assert process.returncode == 130
        assert started
        assert not any(map(alive, started))


@needs_proc
@several
def test_its_processes_do_not_outlive_it(running: subprocess.Popen[bytes]) -> None:
    started = children(running.pid)
    running.kill()
    running.wait()
    until(lambda: not any(map(alive, started)), "a process goes on though nobody waits for it")
