"""The fold: what stands in which database."""

from __future__ import annotations

from typing import Any

import pytest

from migrate_flow.core.entry import Kind, Subject
from migrate_flow.core.history import Applied, TargetRecord
from tests.support.builders import (
    ADA,
    BOB,
    CY,
    MANIFEST,
    REV,
    Scribe,
    adopted,
    digest,
    environment,
    opened,
    tracked,
    uuid,
)


def dev(scribe: Scribe) -> TargetRecord:
    return scribe.history().environment("dev").targets[uuid("dev")]


@pytest.mark.parametrize(
    ("kind", "more", "state", "open_after"),
    [
        (Kind.APPLY_APPLIED, {}, Applied.APPLIED, False),
        (Kind.APPLY_FAILED, {"heads": []}, Applied.FAILED, False),
        (Kind.APPLY_PARTIAL, {}, Applied.PARTIAL, True),
        (Kind.APPLY_RECOVERED, {"outcome": "applied"}, Applied.APPLIED, False),
        (Kind.APPLY_RECOVERED, {"outcome": "failed", "heads": []}, Applied.FAILED, False),
    ],
)
def test_an_attempt_is_open_until_its_outcome(
    kind: Kind, more: dict[str, Any], state: Applied, open_after: bool
) -> None:
    scribe = tracked()
    intent = scribe.intends(from_heads=["base"])
    assert dev(scribe).attempt.seq == intent.seq
    assert dev(scribe).heads == ("base",)
    # What another finds is a recovery.
    outcome = scribe.ends(kind, ADA if kind in (Kind.APPLY_APPLIED, Kind.APPLY_FAILED) else BOB, **more)
    target = dev(scribe)
    assert (target.attempt is not None) == open_after
    said = target.applications[REV]
    assert (said.state, said.by, said.seq, said.attempt) == (state, ADA, outcome.seq, "a1")
    assert target.stands(REV) == (state is Applied.APPLIED)
    if not open_after:
        assert target.heads == tuple(more.get("heads", [REV]))


def test_a_partial_change_stays_open_until_it_is_settled() -> None:
    scribe = tracked()
    scribe.intends()
    scribe.ends(Kind.APPLY_PARTIAL)
    scribe.intends(attempt="a2")
    assert dev(scribe).attempt.id == "a1"
    scribe.ends(Kind.APPLY_RECOVERED, outcome="applied")
    assert dev(scribe).attempt is None
    assert dev(scribe).standing() == {REV}


def test_a_second_try_that_fails_leaves_what_stands() -> None:
    scribe = tracked()
    scribe.applied()
    scribe.intends(attempt="again")
    scribe.ends(Kind.APPLY_FAILED, attempt="again")
    assert dev(scribe).applications[REV].state is Applied.APPLIED


def test_a_rollback_takes_it_away_and_a_failed_one_does_not() -> None:
    scribe = tracked()
    scribe.applied()
    scribe.intends(attempt="down", direction="downgrade")
    scribe.ends(Kind.APPLY_FAILED, attempt="down", direction="downgrade")
    assert dev(scribe).stands(REV)
    scribe.intends(attempt="down2", direction="downgrade")
    scribe.ends(Kind.APPLY_APPLIED, attempt="down2", direction="downgrade", heads=[])
    assert dev(scribe).applications[REV].state is Applied.ROLLED_BACK
    assert not dev(scribe).stands(REV)


def test_a_downgrade_undone_after_a_partial_change_leaves_what_stood() -> None:
    scribe = tracked()
    scribe.applied()
    scribe.intends(attempt="down", direction="downgrade")
    scribe.ends(Kind.APPLY_PARTIAL, attempt="down", direction="downgrade")
    assert not dev(scribe).stands(REV)
    scribe.ends(Kind.APPLY_RECOVERED, attempt="down", direction="downgrade", outcome="failed")
    assert dev(scribe).stands(REV)


def test_adoption_is_grandfathered_once_and_out_of_band_after() -> None:
    scribe = opened()
    first = scribe.adopts()
    assert dev(scribe).applications[REV].state is Applied.GRANDFATHERED
    assert dev(scribe).adopted_at == first.seq
    assert scribe.history().record(REV).adopted == {"dev": MANIFEST}
    late = adopted("out-of-band", "late", digest("late"))
    subjects = [Subject(file["path"], file["sha256"]) for file in late["files"]]
    scribe.adopts(heads=["late"], revisions=[late], subjects=subjects, gone=[REV])
    assert {revision: said.state for revision, said in dev(scribe).applications.items()} == {"late": "out-of-band"}
    assert dev(scribe).heads == ("late",)


def test_a_new_target_retires_the_old_one() -> None:
    scribe = tracked()
    scribe.applied()
    scribe.says(ADA, Kind.TARGET_REPLACED, environment="dev", target=uuid("dev 2"))
    record = scribe.history().environment("dev")
    assert list(record.targets) == [uuid("dev 2")]
    assert list(record.retired) == [uuid("dev")]
    assert record.latest(REV) is None
    scribe.adopts(target=uuid("dev 2"))
    assert scribe.history().environment("dev").latest(REV).state is Applied.GRANDFATHERED  # type: ignore[union-attr]


def test_personal_targets_are_counted_apart_and_one_that_stands_is_enough() -> None:
    scribe = tracked(environments=[environment("dev", personal=True)])
    scribe.applied(ADA, target=uuid("ada's"))
    scribe.intends(BOB, target=uuid("bob's"), attempt="b")
    scribe.ends(Kind.APPLY_FAILED, BOB, target=uuid("bob's"), attempt="b")
    record = scribe.history().environment("dev")
    assert record.targets[uuid("bob's")].applications[REV].state is Applied.FAILED
    assert record.latest(REV) is record.targets[uuid("ada's")].applications[REV]
    scribe.intends(CY, target=uuid("cy's"), attempt="c")
    assert [attempt.id for _target, attempt in scribe.history().environment("dev").open_attempts()] == ["c"]
