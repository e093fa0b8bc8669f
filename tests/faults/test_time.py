"""Clocks that go back, and clocks of other zones: the order is that of the ledger, and every time in it is UTC."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.faults.matrix import MARIADB, POSTGRESQL, SQLITE
from tests.faults.place import FIRST, NEW, Place, go_on, stopped, wait_until
from tests.support import proof
from tests.support.alembic_projects import ADA, BEN, CARLA, attest, edit, table, write_script

YEAR_BACK = "-365d"
SCRIPT = "op.execute(\"INSERT INTO t_aaaa01 VALUES (2, 'two')\")\n" + table("t_aaaa02")
NOW = timedelta(minutes=15)  # a slow machine's


def fake(offset: str) -> Mapping[str, str]:
    """What makes a process see another time, as the program `faketime` sets it."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    assert found, "libfaketime is missing: apt-get install faketime"
    return {"LD_PRELOAD": str(found[0]), "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def _at(place: Place, offset: str) -> Place:
    """The same, by a clock that is wrong; in interpreters of their own, for a fork has its libraries already."""
    return replace(place, shell=replace(place.shell, warm=None)).under(**fake(offset))


def _times(place: Place) -> list[datetime]:
    return [datetime.fromisoformat(row["at"]) for row in proof.rows(place.shell.folder)]


def _requires_approval(place: Place) -> None:
    section = '[environments.dev]\nrequires = "approved"\n'
    edit(place.shell.folder / "migrate-flow.toml", r"(?m)^\[environments\.dev\]\n", section)
    place.flow("policy", "record", actor=CARLA)


def _standing(place: Place) -> dict[str, Any]:
    return dict(place.json("status", NEW)["migrations"][0])


@pytest.mark.system
@pytest.mark.fault("F78")
def test_the_clock_is_set_back_a_year(place: Place) -> None:
    """Applied by a runner whose clock is wrong, and looked at by others: what comes later in the ledger is later."""
    place.second(SCRIPT)
    early = _at(place, YEAR_BACK)
    assert [step["outcome"] for step in early.apply()["steps"]] == ["applied"]
    assert early.apply()["steps"] == []
    assert place.kinds()[-2:] == ["apply.intended", "apply.applied"]
    place.applied_once()
    assert early.json("ledger", "verify")["ok"]
    early.flow("rollback", "--env", "dev", "--to", FIRST, "--confirm", "dev", "-m", "back again")
    assert place.heads() == [FIRST]
    assert early.state() == place.state() == "rolled-back"


@pytest.mark.system
@pytest.mark.fault("F78")
def test_a_crash_then_the_clock_is_set_back(place: Place) -> None:
    """Recovery goes by the attempt, not by when it was."""
    place.second(SCRIPT)
    place.failing("step-committed:kill").flow("apply", "--env", "dev", code=-9)
    (recovered,) = _at(place, YEAR_BACK).recover()["recovered"]
    assert (recovered["revision"], recovered["outcome"]) == (NEW, "applied")
    place.applied_once()


@pytest.mark.system
@pytest.mark.on(SQLITE)
@pytest.mark.fault("F78")
def test_attestations_follow_each_other_by_position(place: Place) -> None:
    """What was revoked stays revoked, though the revocation bears an older date; and the other way round."""
    place.second(SCRIPT)
    _requires_approval(place)
    attest(place.shell, NEW)
    early = _at(place, YEAR_BACK)
    (approval,) = _standing(place)["approvals"]
    early.flow("revoke", str(approval["seq"]), "-m", "seen too late", actor=CARLA)
    assert (_standing(place)["state"], _standing(early)["state"]) == ("peer-reviewed", "peer-reviewed")
    place.apply(code=1)
    early.flow("approve", NEW, actor=CARLA)
    assert _standing(place)["state"] == "approved"
    early.flow("review", NEW, "--request-changes", "-m", "no index", actor=BEN)
    assert _standing(place)["state"] == "changes-requested"
    place.apply(code=1)
    early.flow("review", NEW, "--approve", actor=BEN)
    place.apply()
    seqs = [row["seq"] for row in proof.rows(place.shell.folder)]
    assert seqs == sorted(seqs)
    place.applied_once()


@pytest.mark.system
@pytest.mark.on(SQLITE)
@pytest.mark.fault("F78")
@pytest.mark.parametrize("offset", ["-365d", "-2d", "+0"])
def test_a_wait_upstream_is_not_over_because_a_clock_is_wrong(place: Place, tmp_path: Path, offset: str) -> None:
    section = '[environments.staging]\nurl = "env:STAGING_URL"\ndialect = "sqlite"\nupstream = ["dev"]\nsoak = "24h"\n'
    edit(place.shell.folder / "migrate-flow.toml", r"(?m)^\[policy\]\n", f"{section}\n[policy]\n")
    place.flow("policy", "record", actor=CARLA)
    attest(place.shell, FIRST)
    plan = _at(place.under(STAGING_URL=f"sqlite:///{tmp_path / 'staging.db'}"), offset).json(
        "plan", "--env", "staging", code=1
    )
    failed = {gate["gate"] for step in plan["steps"] for gate in step["gates"] if not gate["passed"]}
    assert failed == {"soaked"}


@pytest.mark.system
@pytest.mark.on(SQLITE)
@pytest.mark.fault("F78")
def test_an_approval_does_not_last_longer_because_a_clock_is_wrong(place: Place) -> None:
    """It was given in time, and has expired by now; a clock that goes back does not bring it back."""
    place.second(SCRIPT)
    edit(place.shell.folder / "migrate-flow.toml", r"(?m)^\[policy\]\n", '[policy]\napproval_expires = "30d"\n')
    _requires_approval(place)
    attest(place.shell, NEW)
    assert _standing(_at(place, "+31d"))["state"] == "peer-reviewed"
    write_script(place.versions, "aaaa03", NEW)
    _at(place, "+31d").flow("track")  # an entry of that time: the ledger's clock never goes back
    assert _standing(place)["approvals"] == []
    place.apply(code=1)
    place.as_before()


# -- F79: zones


ZONES = ("Asia/Kathmandu", "America/St_Johns", "Pacific/Kiritimati")


@pytest.mark.fault("F79")
def test_every_time_is_utc(place: Place, request: pytest.FixtureRequest) -> None:
    """People, runners and the server live in zones of their own; nothing of that is in the record."""
    if place.dialect == POSTGRESQL:
        name = place.url.partition("@/")[2].partition("?")[0]
        place.execute(f"ALTER DATABASE {name} SET timezone = 'Asia/Kathmandu'")
    elif place.dialect == MARIADB:
        server = request.getfixturevalue("mariadb")
        server.execute("SET GLOBAL time_zone = '+05:45'")
        request.addfinalizer(lambda: server.execute("SET GLOBAL time_zone = 'SYSTEM'"))
    place.second(SCRIPT)
    known, begun = len(proof.rows(place.shell.folder)), datetime.now(UTC)
    for zone, command in zip(ZONES, (("self-review", NEW), ("apply", "--env", "dev"), ("track",)), strict=True):
        place.under(TZ=zone).flow(*command)
    fresh = proof.rows(place.shell.folder)[known:]
    assert len(fresh) == 3
    for row in fresh:
        assert row["at"] == proof.predicate(row)["at"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", row["at"])
        assert begun - timedelta(seconds=2) <= datetime.fromisoformat(row["at"]) <= datetime.now(UTC)
    assert _times(place) == sorted(_times(place))
    ((receipt,),) = place.query(f"SELECT at FROM {place.ours}receipt WHERE revision = '{NEW}' AND final")
    assert receipt.endswith("Z")
    assert abs(datetime.fromisoformat(receipt) - datetime.now(UTC)) < NOW
    shown = {place.under(TZ=zone).flow("log").out for zone in ("UTC", *ZONES)}
    assert len(shown) == 1
    place.applied_once()


@pytest.mark.fault("F79")
def test_since_when_is_said_in_utc(place: Place) -> None:
    place.second(SCRIPT)
    with place.started("apply", "--env", "dev", MIGRATE_FLOW_FAILPOINT="step-begun:stop", TZ=ZONES[0]) as runner:
        wait_until(lambda: stopped(runner), "the step to stop")
        message = place.under(TZ=ZONES[1]).error("apply", "--env", "dev", code=5)["message"]
        told = place.under(TZ=ZONES[1]).flow("status").out
        (attempt,) = place.under(TZ=ZONES[1]).json("status")["attempts"]
        go_on(runner)
        runner.communicate(timeout=60)
    for text in (message, told):
        found = re.search(r"since (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC", text)
        assert found, text
        assert abs(datetime.fromisoformat(f"{found[1]}+00:00") - datetime.now(UTC)) < NOW
    assert attempt["since"].endswith("Z")
    assert {attempt["by"], *(item["application"].partition(" ")[0] for item in attempt["processes"])} == {
        ADA,
        "migrate-flow",
    }
    place.applied_once()
