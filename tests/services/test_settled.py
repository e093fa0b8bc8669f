"""When a migration has nothing left to do, and for how long that holds."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate_flow.core.entry import format_time
from migrate_flow.core.history import Applied
from migrate_flow.core.standing import State, stand
from migrate_flow.services.settled import MOST_LISTED, STILL_LISTED, listed, settled
from migrate_flow.services.settled_rows import Settled, SettledRows
from tests.support.builders import LATER, MANIFEST, OTHER_BYTES, REV, Scribe, approved

EVERYWHERE: dict[str, Applied | None] = {"dev": Applied.APPLIED, "staging": Applied.GRANDFATHERED}
NOW = format_time(LATER)


def _settled(
    scribe: Scribe, applied: dict[str, Applied | None] = EVERYWHERE, manifest: str = MANIFEST
) -> Settled | None:
    history = scribe.history()
    standing = stand(history.record(REV), manifest, history.policy, now=LATER)
    return settled(standing, applied, history.policy, NOW, in_tree=True)


def _holds(found: Settled, manifest: str, now: str) -> bool:
    """Asked alone, and beside one that is as it was: what is said of all at once is said of each."""
    rows = {REV: found, "other": found}
    alone = REV in SettledRows.of({REV: found}).holding({REV: manifest}, now)
    assert alone == (REV in SettledRows.of(rows).holding({REV: manifest, "other": found.manifest}, now))
    if not manifest:
        assert alone == (REV in SettledRows.of(rows).holding({"other": found.manifest}, now))
    return alone


def test_what_stands_everywhere_with_these_bytes_is_settled() -> None:
    assert _settled(approved())


@pytest.mark.parametrize("state", [None, *(state for state in Applied if state not in EVERYWHERE.values())])
def test_what_stands_otherwise_in_one_place_is_not(state: Applied | None) -> None:
    assert not _settled(approved(), EVERYWHERE | {"staging": state})


def test_other_bytes_and_objections_are_not() -> None:
    assert not _settled(approved(), manifest=OTHER_BYTES)
    scribe = approved()
    scribe.reviewed(verdict="request-changes")
    assert not _settled(scribe)


@given(st.integers(-3 * 86400, 9 * 86400))
def test_it_holds_as_long_as_the_judge_says_the_same(seconds: int) -> None:
    """Whatever the clock says: never longer, and back in time not either."""
    scribe = approved(approval_expires="7d")
    history, moment = scribe.history(), LATER + timedelta(seconds=seconds)
    found = settled(
        stand(history.record(REV), MANIFEST, history.policy, now=LATER),
        EVERYWHERE,
        history.policy,
        NOW,
        in_tree=True,
    )
    assert found is not None
    still = _holds(found, MANIFEST, format_time(moment))
    judged = stand(history.record(REV), MANIFEST, history.policy, now=moment).state is State.APPROVED
    assert still == (judged and moment >= LATER)
    assert not _holds(found, OTHER_BYTES, NOW)
    assert not _holds(found, "", NOW)


def test_without_expiry_it_holds_for_ever() -> None:
    found = _settled(approved())
    assert _holds(found, MANIFEST, format_time(datetime.max.replace(tzinfo=LATER.tzinfo)))


@given(st.integers(0, 3 * MOST_LISTED))
def test_the_newest_of_many_are_listed(count: int) -> None:
    found = [str(number) for number in range(count)]
    assert listed(found) == {*(found if count <= MOST_LISTED else found[-STILL_LISTED:])}
