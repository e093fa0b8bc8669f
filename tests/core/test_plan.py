from __future__ import annotations

from dataclasses import replace

import pytest

from migrate_flow.core.plan import Plan, PlannedStep
from migrate_flow.core.revision import Manifest, Revision, SealedFile
from migrate_flow.core.verdict import Decision, Verdict

YES, NO = Decision((Verdict("tracked", True, "yes"),)), Decision((Verdict("approved", False, "no"),))


def step(revision: str, decision: Decision = YES, content: bytes = b"pass", direction: str = "upgrade") -> PlannedStep:
    manifest = Manifest((SealedFile.seal(f"versions/{revision}.py", content),))
    return PlannedStep(Revision(revision, doc="message"), direction, manifest, decision, None, "not rendered", ())


PLAN = Plan("production", "uuid", ("a", "b"), (step("c"), step("d")), YES, "sha256:policy")


def test_the_digest_is_of_what_was_decided_on() -> None:
    same = [
        replace(PLAN, heads=("b", "a")),
        replace(PLAN, notices=("a notice",)),
        replace(PLAN, steps=(replace(step("c"), sql="SELECT 1", risks=("lossy",)), step("d", NO))),
    ]
    assert {plan.digest for plan in same} == {PLAN.digest}


@pytest.mark.parametrize(
    "other",
    [
        replace(PLAN, environment="staging"),
        replace(PLAN, target="another uuid"),
        replace(PLAN, heads=("a",)),
        replace(PLAN, policy="sha256:other"),
        replace(PLAN, steps=(step("d"), step("c"))),
        replace(PLAN, steps=(step("c"),)),
        replace(PLAN, steps=(step("c"), step("d", content=b"pass  # edited"))),
        replace(PLAN, steps=(step("c"), step("d", direction="downgrade"))),
    ],
    ids=["environment", "target", "heads", "policy", "order", "fewer", "bytes", "direction"],
)
def test_another_plan_has_another_digest(other: Plan) -> None:
    assert other.digest != PLAN.digest


@pytest.mark.parametrize(
    ("decisions", "gates", "allowed", "ready"),
    [
        ([YES, YES], YES, True, ["c", "d"]),
        ([YES, NO], YES, False, ["c"]),
        ([NO, YES], YES, False, []),
        ([YES, YES], NO, False, []),
        ([], YES, True, []),
        ([], NO, False, []),
    ],
)
def test_one_blocked_step_blocks_the_plan_and_what_comes_before_it_is_ready(
    decisions: list[Decision], gates: Decision, allowed: bool, ready: list[str]
) -> None:
    steps = tuple(step(name, decision) for name, decision in zip("cd", decisions, strict=False))
    plan = replace(PLAN, steps=steps, gates=gates)
    assert plan.allowed == allowed
    assert [one.revision for one in plan.ready()] == ready
