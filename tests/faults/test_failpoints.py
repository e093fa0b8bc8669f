"""kill -9 at every step of the protocol: the next command finds out, and the revision is applied exactly once.

The script changes data as well as the schema: a revision that ran twice would show it.
"""

from __future__ import annotations

import pytest

from migrate_flow.failpoint import Failpoint
from tests.acceptance import databases
from tests.faults.matrix import MARIADB, POSTGRESQL
from tests.faults.place import BEFORE, FIRST, NEW, Place
from tests.support.alembic_projects import table, write_script

SCRIPT = "\n".join(
    (
        "op.execute(\"INSERT INTO t_aaaa01 VALUES (2, 'two')\")",
        table("fresh"),
        "op.execute(\"INSERT INTO fresh VALUES (1, 'once')\")",
    )
)
AFTER = {"fresh": ["{'id': 1, 'text': 'once'}"], "t_aaaa01": [*BEFORE["t_aaaa01"], "{'id': 2, 'text': 'two'}"]}

IN_EVERY_STEP = (
    Failpoint.LOCKED,
    Failpoint.INTENT_WRITING,
    Failpoint.INTENT_RECORDED,
    Failpoint.STEP_BEGUN,
    Failpoint.SCRIPT_ENDED,
    Failpoint.RECEIPT_WRITTEN,
    Failpoint.STEP_COMMITTED,
    Failpoint.EVIDENCE_READ,
    Failpoint.OUTCOME_RECORDED,
)
IN_STATEMENTS = (Failpoint.STATEMENT_STARTED, Failpoint.STATEMENT_ENDED, Failpoint.STATEMENT_JOURNALED)
IN_BLOCKS = (Failpoint.SEGMENT_COMMITTED, *IN_STATEMENTS, Failpoint.SEGMENT_BEGUN)
IN_RECOVERY = (Failpoint.RECOVERY_BEGUN, Failpoint.RECOVERY_EVIDENCE, Failpoint.RECOVERY_RECORDED)
FAULTS = {
    Failpoint.INTENT_RECORDED: "F01",
    Failpoint.SCRIPT_ENDED: "F02",
    Failpoint.RECEIPT_WRITTEN: "F03",
    Failpoint.STEP_COMMITTED: "F04",
    Failpoint.EVIDENCE_READ: "F04",
}


def _named(points: tuple[Failpoint, ...]) -> list[object]:
    return [
        pytest.param(point, id=point.value, marks=[pytest.mark.fault(FAULTS[point])] if point in FAULTS else [])
        for point in points
    ]


def settled(place: Place) -> None:
    """What a person does after a crash: apply again; where a part is durable, decide first that it goes on."""
    if place.dialect == MARIADB or place.kinds()[-1] == "apply.partial":
        partly = place.shell.json("status", NEW)["migrations"][0]["applied"]["dev"]
        if partly and partly["state"] in ("open", "partial"):
            answer = place.flow("recover", "--env", "dev", code=None)
            if answer.code == 6:
                place.recover("--resume", "-m", "the machine went down")
            else:
                assert answer.code == 0, answer
    place.apply()


@pytest.mark.parametrize("point", _named(IN_EVERY_STEP))
def test_killed_anywhere_then_applied_once(place: Place, point: Failpoint) -> None:
    place.second(SCRIPT)
    place.failing(f"{point}:kill").flow("apply", "--env", "dev", code=-9)
    found = databases.contents(place.url)
    if place.dialect != MARIADB:
        assert found in (BEFORE, AFTER)
        assert (found == AFTER) == (place.receipts() == 1) == (place.heads() == [NEW])
    settled(place)
    place.applied_once(lambda: _is(place, AFTER))


@pytest.mark.parametrize("point", _named(IN_RECOVERY))
@pytest.mark.parametrize("crash", [Failpoint.STEP_BEGUN, Failpoint.STEP_COMMITTED], ids=lambda point: str(point.value))
@pytest.mark.fault("F11")
def test_killed_in_recovery_too(place: Place, crash: Failpoint, point: Failpoint) -> None:
    place.second(SCRIPT)
    place.failing(f"{crash}:kill").flow("apply", "--env", "dev", code=-9)
    place.failing(f"{point}:kill").flow("recover", "--env", "dev", code=-9)
    place.recover()
    outcomes = [kind for kind in place.kinds() if kind == "apply.recovered"]
    assert outcomes == ["apply.recovered"]
    assert place.recover()["recovered"] == []
    place.apply()
    place.applied_once(lambda: _is(place, AFTER))


def test_killed_between_claiming_a_database_and_its_first_intent(bare: Place) -> None:
    """The identity row is there, the ledger knows nothing of it: nothing ran, so the next apply goes ahead."""
    write_script(bare.versions, FIRST)
    bare.flow("track")
    bare.failing("claimed:kill").flow("apply", "--env", "dev", code=-9)
    assert bare.tables() == []
    bare.apply()
    assert bare.heads() == [FIRST]


BLOCK = """\
op.execute("INSERT INTO t_aaaa01 VALUES (2, 'two')")
with op.get_context().autocommit_block():
    op.execute("CREATE INDEX CONCURRENTLY ix ON t_aaaa01 (text)")
op.execute("INSERT INTO t_aaaa01 VALUES (3, 'three')")
"""


@pytest.mark.on(POSTGRESQL)
@pytest.mark.fault("F27")
@pytest.mark.parametrize("point", _named(IN_BLOCKS))
def test_killed_around_an_autocommit_block(place: Place, point: Failpoint) -> None:
    place.second(BLOCK)
    place.failing(f"{point}:kill").flow("apply", "--env", "dev", code=-9)
    assert place.heads() != [NEW]
    error = place.error("apply", "--env", "dev", code=6)
    assert "durable" in error["message"]
    assert place.kinds()[-1] == "apply.partial"
    assert place.error("apply", "--env", "dev", code=6)["code"] == "unsettled"
    doubtful = "--statement" in error["hint"]
    if doubtful:
        (built,) = place.query("SELECT count(*) FROM pg_class WHERE relname = 'ix'")[0]
        place.recover("--statement", f"2={'done' if built else 'not-done'}", "-m", "looked at the catalog", "--resume")
    else:
        place.recover("--resume", "-m", "the machine went down")
    place.apply()
    place.applied_once()
    assert place.query("SELECT count(*) FROM t_aaaa01") == [(3,)]
    assert place.query("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix'::regclass") == [(True,)]


@pytest.mark.on(MARIADB)
@pytest.mark.fault("F19", "F21")
@pytest.mark.parametrize("point", _named(IN_STATEMENTS))
def test_killed_around_a_statement_that_commits_by_itself(place: Place, point: Failpoint) -> None:
    place.second(SCRIPT)
    place.failing(f"{point}:kill").flow("apply", "--env", "dev", code=-9)
    settled(place)
    place.applied_once(lambda: _is(place, AFTER))


def _is(place: Place, expected: dict[str, list[str]]) -> None:
    assert databases.contents(place.url) == expected
