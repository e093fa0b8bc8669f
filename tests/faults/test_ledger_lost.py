"""The ledger goes away before or after the target has changed: what happened there is never lost, nor made up."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.matrix import SQLITE
from tests.faults.place import NEW, Place, go_on, stopped, wait_until
from tests.support.alembic_projects import table
from tests.support.proof import LEDGER
from tests.support.small_disk import small_disk

SCRIPT = "op.execute(\"INSERT INTO t_aaaa01 VALUES (2, 'two')\")\n" + table("fresh")


def _moved(place: Place, process: subprocess.Popen[str]) -> Callable[[], None]:
    ledger = place.shell.folder / LEDGER
    away = ledger.rename(ledger.with_suffix(".away"))
    return lambda: (away.rename(ledger), None)[1]


def _not_writable(place: Place, process: subprocess.Popen[str]) -> Callable[[], None]:
    """Every write to a file fails (EFBIG), as on a disk that answers with errors."""
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    return lambda: None


def _cut_off(place: Place, at: str, lose: Callable[[Place, subprocess.Popen[str]], Callable[[], None]]) -> str:
    """An apply whose ledger goes while it stands at this failpoint. What it said, when the ledger is back."""
    with place.started("apply", "--env", "dev", MIGRATE_FLOW_FAILPOINT=f"{at}:stop") as process:
        wait_until(lambda: stopped(process), at)
        back = lose(place, process)
        go_on(process)
        out, err = process.communicate(timeout=60)
        back()
    said = f"exit {process.returncode}\n{out}{err}"
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize("lose", [_moved, _not_writable], ids=["moved", "EFBIG"])
@pytest.mark.fault("F07")
def test_the_outcome_can_not_be_recorded(
    place: Place, lose: Callable[[Place, subprocess.Popen[str]], Callable[[], None]]
) -> None:
    place.second(SCRIPT)
    said = _cut_off(place, "evidence-read", lose)
    attempt = str(place.last()["attempt"])
    assert said.startswith("exit 6\n"), said
    assert f"attempt {attempt} ({NEW} in dev) ended, but the ledger can't take its outcome" in said
    assert "hint: migrate-flow recover --env dev" in said
    assert place.kinds()[-1] == "apply.intended"
    assert place.heads() == [NEW]
    assert [item["outcome"] for item in place.apply()["recovered"]] == ["applied"]
    place.applied_once(lambda: _two_rows(place))


@pytest.mark.parametrize(
    ("at", "lose"),
    [("locked", _moved), ("intent-writing", _not_writable)],
    ids=["moved", "EFBIG"],
)
@pytest.mark.fault("F08", "F45")
def test_the_ledger_goes_before_the_intent(
    place: Place, at: str, lose: Callable[[Place, subprocess.Popen[str]], Callable[[], None]]
) -> None:
    place.second(SCRIPT)
    before = place.kinds()
    said = _cut_off(place, at, lose)
    assert said.startswith("exit 4\n"), said
    assert "hint: " in said
    assert place.kinds() == before
    place.as_before()
    place.apply()
    place.applied_once(lambda: _two_rows(place))


@pytest.mark.on(SQLITE)
@pytest.mark.fault("F08")
def test_there_is_no_ledger(place: Place) -> None:
    place.second(SCRIPT)
    ledger = place.shell.folder / LEDGER
    away = ledger.rename(ledger.with_suffix(".away"))
    error = place.error("apply", "--env", "dev", code=4)
    assert (error["code"], error["where"]) == ("ledger", str(LEDGER))
    assert not ledger.exists()
    away.rename(ledger)
    place.as_before()


@pytest.mark.system
@pytest.mark.parametrize("at", ["intent-writing", "evidence-read"])
@pytest.mark.fault("F07", "F45")
def test_the_disk_of_the_ledger_is_full(place: Place, at: str, tmp_path: Path) -> None:
    place.second(SCRIPT)
    before = place.kinds()
    ledger = place.shell.folder / LEDGER
    kib = ledger.stat().st_size // 4096 * 4 + 64
    with small_disk(tmp_path / "disk", kib) as disk:
        moved = disk / ledger.name
        moved.write_bytes(ledger.read_bytes())
        ledger.unlink()
        ledger.symlink_to(moved)

        def fill(_place: Place, _process: subprocess.Popen[str]) -> Callable[[], None]:
            room = os.statvfs(disk)
            (disk / "filler").write_bytes(b"x" * (room.f_bavail * room.f_frsize))
            return (disk / "filler").unlink

        said = _cut_off(place, at, fill)
        assert "full" in said
        if at == "evidence-read":
            assert said.startswith("exit 6\n"), said
            assert place.kinds() == [*before, "apply.intended"]
        else:
            assert said.startswith("exit 4\n"), said
            assert place.kinds() == before
            place.as_before()
        place.apply()
        place.applied_once(lambda: _two_rows(place))


@pytest.mark.fault("F12")
def test_two_recoveries_at_once(place: Place) -> None:
    """One holds the lock while it decides; the other is told who."""
    place.second(SCRIPT)
    place.failing("step-committed:kill").flow("apply", "--env", "dev", code=-9)
    armed = {"MIGRATE_FLOW_FAILPOINT": "recovery-evidence:stop"}
    with place.started("recover", "--env", "dev", **armed) as first:
        wait_until(lambda: stopped(first), "recovery-evidence")
        busy = place.error("recover", "--env", "dev", code=5)
        assert str(first.pid) in busy["message"]
        go_on(first)
        first.communicate(timeout=60)
        assert first.returncode == 0
    _recovered_once(place)


@pytest.mark.fault("F12")
def test_a_crowd_recovers_at_once(place: Place) -> None:
    place.second(SCRIPT)
    place.failing("step-committed:kill").flow("apply", "--env", "dev", code=-9)
    with (
        place.started("recover", "--env", "dev") as one,
        place.started("recover", "--env", "dev") as two,
        place.started("apply", "--env", "dev") as three,
    ):
        crowd = (one, two, three)
        said = [process.communicate(timeout=60) for process in crowd]
    assert {process.returncode for process in crowd} <= {0, 5}, said
    place.apply()
    _recovered_once(place)


def _recovered_once(place: Place) -> None:
    assert place.kinds().count("apply.recovered") == 1
    assert place.kinds().count("apply.intended") == 2  # the first revision's, and this one's
    place.applied_once(lambda: _two_rows(place))


def _two_rows(place: Place) -> None:
    assert place.count("t_aaaa01") == 2
