"""Somebody changes the database without us: it is named as what it is, and nothing goes further from there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults.place import FIRST, NEW, Place
from tests.support.alembic_projects import CARLA, attest, edit, write_script

SCRIPT = "op.execute(\"INSERT INTO t_aaaa01 VALUES (2, 'two')\")"


def by_hand(place: Place, *words: str) -> None:
    """Plain Alembic on dev."""
    url = place.url.replace("%", "%%")
    edit(place.shell.folder / "alembic.ini", r"(?m)^sqlalchemy.url = .*$", f"sqlalchemy.url = {url}")
    place.shell.alembic(*words)


def refused(place: Place, *words: str) -> str:
    """Plan and apply say no by one gate of the target, for the same reason; nothing moves. Its reason and hint."""
    heads, rows = place.heads(), place.count("t_aaaa01")
    document = place.json("plan", "--env", "dev", code=1)
    (verdict,) = [verdict for verdict in document["gates"] if not verdict["passed"]]
    assert verdict["gate"] == "target-identified"
    for word in words:
        assert word in verdict["reason"]
    assert place.apply(code=1)["allowed"] is False
    assert place.last()["kind"] == "apply.refused"
    assert (place.heads(), place.count("t_aaaa01")) == (heads, rows)
    assert "migrate-flow adopt --env dev" in verdict["hint"]
    return f"{verdict['reason']} {verdict['hint']}"


def with_staging(place: Place) -> None:
    """An environment below dev, of which nothing exists yet."""
    path = place.shell.folder / "migrate-flow.toml"
    path.write_text(
        path.read_text() + '\n[environments.staging]\nurl = "sqlite:///staging.db"\ndialect = "sqlite"\n'
        'upstream = ["dev"]\n'
    )
    place.flow("policy", "record", actor=CARLA)


def not_promoted(place: Place, reason: str) -> None:
    document = place.json("plan", "--env", "staging", code=1)
    steps = {step["revision"]: step["gates"] for step in document["steps"]}
    (verdict,) = [verdict for verdict in steps[NEW] if verdict["gate"] == "upstream-applied"]
    assert (verdict["passed"], verdict["reason"]) == (False, reason)
    place.json("apply", "--env", "staging", code=1)


@pytest.mark.fault("F51")
def test_the_receipts_are_gone(place: Place) -> None:
    place.second(SCRIPT)
    place.execute(f"DROP TABLE {place.ours}receipt")
    refused(place, "its receipts are gone", "restored from a backup, or changed by hand")
    assert place.heads() == [FIRST]


@pytest.mark.fault("F51")
def test_a_receipt_is_gone(place: Place) -> None:
    place.second(SCRIPT)
    place.execute(f"DELETE FROM {place.ours}receipt")
    refused(place, "its receipts are gone")


@pytest.mark.fault("F52")
@pytest.mark.parametrize(
    ("edited", "says"),
    [
        (f"UPDATE alembic_version SET version_num = '{NEW}'", f"says {NEW}, the ledger says {FIRST}"),
        ("DELETE FROM alembic_version", f"says nothing, the ledger says {FIRST}"),
        ("DROP TABLE alembic_version", f"says nothing, the ledger says {FIRST}"),
        (f"INSERT INTO alembic_version VALUES ('{NEW}')", f"says {FIRST}, {NEW}, the ledger says {FIRST}"),
    ],
    ids=["updated", "deleted", "dropped", "added"],
)
def test_the_version_row_was_edited(place: Place, edited: str, says: str) -> None:
    place.second(SCRIPT)
    place.execute(edited)
    document = place.json("plan", "--env", "dev", code=1)
    (verdict,) = [verdict for verdict in document["gates"] if not verdict["passed"]]
    assert says in verdict["reason"]
    assert "changed outside the flow" in verdict["reason"]
    place.json("apply", "--env", "dev", code=None)
    assert place.count("t_aaaa01") == 1
    assert "apply.intended" not in place.kinds()[-2:]


def _upgraded(place: Place) -> None:
    by_hand(place, "upgrade", "head")
    assert place.count("t_aaaa01") == 2


def _stamped(place: Place) -> None:
    by_hand(place, "stamp", "head")
    assert place.count("t_aaaa01") == 1


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(_upgraded, marks=pytest.mark.fault("F53"), id="upgrade"),
        pytest.param(_stamped, marks=pytest.mark.fault("F54"), id="stamp"),
    ],
)
def test_plain_alembic(place: Place, act: Callable[[Place], None]) -> None:
    """Named; on the record as out of band after an adoption; and never promoted as if it had been applied."""
    with_staging(place)
    place.second(SCRIPT)
    attest(place.shell, FIRST)
    attest(place.shell, NEW)
    act(place)
    rows = place.count("t_aaaa01")
    write_script(place.versions, "aaaa03", NEW)
    place.flow("track")
    assert "--env dev -m WHY" in refused(place, f"says {NEW}, the ledger says {FIRST}", "changed outside the flow")
    not_promoted(place, "not applied in dev")
    assert place.json("adopt", "--env", "dev", "-m", "done by hand, in a hurry")["out_of_band"] == [NEW]
    assert place.state() == "out-of-band"
    assert place.receipts() == 0
    not_promoted(place, "it came there outside the flow in dev")
    place.apply()
    assert place.heads() == ["aaaa03"]
    assert place.count("t_aaaa01") == rows
    assert place.json("ledger", "verify")["ok"]


@pytest.mark.fault("F55")
@pytest.mark.parametrize("known", [True, False], ids=["applied by us", "never heard of"])
def test_the_database_stands_at_a_revision_that_the_tree_lacks(place: Place, known: bool) -> None:
    path = place.second(SCRIPT)
    if known:  # another branch is checked out
        place.apply()
        path.unlink()
        write_script(place.versions, "bbbb02", FIRST)
        place.flow("track")
    else:
        place.execute("UPDATE alembic_version SET version_num = 'ffff09'")
    stands = NEW if known else "ffff09"
    rows = place.count("t_aaaa01")
    done = place.flow("apply", "--env", "dev", code=None)
    assert done.code == 1, done
    assert stands in done.text
    assert place.heads() == [stands]
    assert place.count("t_aaaa01") == rows
    assert "t_bbbb02" not in place.tables()
    assert place.shell.flow("status").code == 0
    if not known:
        error = place.error("adopt", "--env", "dev", "-m", "whatever it is", code=1)
        assert "ffff09" in error["message"]
