"""env.py begins a transaction before it hands the connection over: all would be lost without an error."""

from __future__ import annotations

import pytest

from tests.faults.place import NEW, Place
from tests.support.alembic_projects import edit, table

SCRIPT = "op.execute(\"INSERT INTO t_aaaa01 VALUES (2, 'two')\")\n" + table("fresh")
OPENED = r"with connectable\.connect\(\) as connection:\n"
CAUSE = "env.py opens a transaction before context.configure(): nothing it runs would be committed"

BEGINS = {
    "SELECT": pytest.param('connection.exec_driver_sql("SELECT 1")', marks=pytest.mark.fault("F29"), id="SELECT"),
    "SET": pytest.param(
        'connection.exec_driver_sql("SELECT 2 AS n").scalar_one()', marks=pytest.mark.fault("F29"), id="read"
    ),
    "begin": pytest.param("connection.begin()", marks=pytest.mark.fault("F30"), id="begin"),
    "with": pytest.param("connection.begin().__enter__()", marks=pytest.mark.fault("F30"), id="with begin"),
}


def before_configure(place: Place, words: str) -> None:
    edit(place.env_py, OPENED, f"with connectable.connect() as connection:\n        {words}\n")


@pytest.mark.parametrize("words", BEGINS.values())
def test_a_transaction_before_configure(place: Place, words: str) -> None:
    place.second(SCRIPT)
    before, healthy = place.kinds(), place.env_py.read_text()
    before_configure(place, words)
    error = place.error("apply", "--env", "dev", code=2)
    assert error["message"] == CAUSE
    assert error["where"] == "migrations/env.py"
    assert place.kinds() == before
    place.as_before()
    place.env_py.write_text(healthy)
    place.apply()
    place.applied_once()


@pytest.mark.fault("F29")
@pytest.mark.fault("F30")
def test_a_transaction_that_is_begun_only_when_it_matters(place: Place) -> None:
    """The look before the intent saw nothing: refused all the same, and recorded."""
    place.second(SCRIPT)
    healthy = place.env_py.read_text()
    before_configure(place, 'import os; os.path.exists("looked") and connection.begin(); open("looked", "w").close()')
    (step,) = place.apply(code=3)["steps"]
    assert (step["outcome"], CAUSE in step["error"]) == ("failed", True)
    assert place.last()["kind"] == "apply.failed"
    assert CAUSE in place.last()["error"]
    place.as_before()
    assert place.state() == "failed"
    place.env_py.write_text(healthy)
    place.apply()
    place.applied_once()


@pytest.mark.fault("F29")
def test_what_is_committed_before_configure_harms_nothing(place: Place) -> None:
    place.second(SCRIPT)
    before_configure(place, 'connection.exec_driver_sql("SELECT 1"); connection.commit()')
    place.apply()
    place.applied_once()
    assert place.heads() == [NEW]
