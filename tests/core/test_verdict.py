from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from migrate_flow.core.verdict import Decision, Verdict, decide

verdicts = st.builds(
    Verdict,
    gate=st.sampled_from(["tracked", "approved", "soaked"]),
    passed=st.booleans(),
    reason=st.just("because"),
    checked=st.booleans(),
)


@given(st.lists(verdicts), verdicts, st.integers(0, 10))
def test_one_more_gate_never_turns_a_no_into_a_yes(asked: list[Verdict], another: Verdict, place: int) -> None:
    more = [*asked[:place], another, *asked[place:]]
    assert decide(asked).allowed or not decide(more).allowed


@given(st.lists(verdicts))
def test_a_decision_is_a_yes_only_if_nothing_blocks(asked: list[Verdict]) -> None:
    decision = decide(iter(asked))
    assert decision.allowed == (not decision.blockers)
    assert list(decision.verdicts) == asked
    assert [verdict for verdict in asked if not verdict.passed or not verdict.checked] == list(decision.blockers)


def test_what_could_not_be_checked_blocks() -> None:
    assert not decide([Verdict("target-identified", False, "no URL here", checked=False)]).allowed
    assert not decide([Verdict("somebody's own gate", True, "no URL here", checked=False)]).allowed
    assert Decision(()).allowed
