"""SQLite rebuilds a table to change it: rows that refer to it must not go with the old one."""

from __future__ import annotations

import pytest

from tests.faults.matrix import SQLITE
from tests.faults.place import FIRST, Place
from tests.support.alembic_projects import edit

CHILD = (
    'op.execute("CREATE TABLE child (id INTEGER PRIMARY KEY, '
    'parent INTEGER REFERENCES t_aaaa01 (id) ON DELETE CASCADE)")\n'
    'op.execute("INSERT INTO child VALUES (1, 1), (2, 1), (3, 1)")'
)
BATCH = 'with op.batch_alter_table("t_aaaa01") as batch:\n    batch.add_column(sa.Column("more", sa.Integer))'
FOREIGN_KEYS_ON = """\
from sqlalchemy import event
from sqlalchemy.engine import Engine


@event.listens_for(Engine, "connect")
def _foreign_keys(connection, _record):
    connection.execute("PRAGMA foreign_keys=ON")


"""


@pytest.fixture
def with_child(place: Place) -> Place:
    place.second(CHILD, revision="aaaa02")
    place.apply()
    return place


@pytest.mark.on(SQLITE)
@pytest.mark.fault("N03")
@pytest.mark.parametrize("on", [False, True], ids=["default", "env.py turns foreign keys on"])
def test_children_survive_a_batch_operation(with_child: Place, on: bool) -> None:
    if on:
        edit(with_child.env_py, r"(?m)^config = context.config$", FOREIGN_KEYS_ON + "config = context.config")
    with_child.second(BATCH, revision="aaaa03", down="aaaa02")
    with_child.apply()
    assert with_child.count("child") == 3
    assert with_child.query("SELECT more FROM t_aaaa01") == [(None,)]


@pytest.mark.on(SQLITE)
@pytest.mark.fault("N03")
def test_rows_that_the_script_does_not_speak_of_must_not_vanish(with_child: Place) -> None:
    """However they go: here by a name that the text does not hold."""
    with_child.second('op.execute("DELETE FROM chi" + "ld")', revision="aaaa03", down="aaaa02")
    (step,) = with_child.apply(code=3)["steps"]
    assert "does not name child, and would leave it with 0 rows of 3" in step["error"]
    assert with_child.count("child") == 3
    assert with_child.heads() == ["aaaa02"]


@pytest.mark.on(SQLITE)
@pytest.mark.fault("N03")
def test_a_script_that_leaves_orphans_is_rolled_back(with_child: Place) -> None:
    with_child.second('op.execute("DELETE FROM t_aaaa01")', revision="aaaa03", down="aaaa02")
    (step,) = with_child.apply(code=3)["steps"]
    assert "would violate a foreign key (child refers to t_aaaa01)" in step["error"]
    assert with_child.count("t_aaaa01") == 1
    assert FIRST not in with_child.heads()
