"""Which gates there are, which of them an environment asks, and that each has a page and a case."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from dataclasses import replace
from typing import Any

import pytest

import tests.gates
from migrate_flow.core.policy import EnvironmentRules, Level
from migrate_flow.core.schedule import parse_duration, parse_window
from migrate_flow.gates import Direction, Scope, all_gates, asked, judge
from tests.gates.case import Case
from tests.support.builders import OTHER_BYTES, approved, facts, opened

RULES = EnvironmentRules("dev", "sqlite", Level.CREATED)
ALWAYS = {
    *("tracked", "ancestors-applied", "single-head", "policy-current", "signatures-valid"),
    *("applier-allowed", "target-identified", "no-open-attempt", "drift-free"),
}
WINDOWS = (parse_window("mon 09:00-10:00 UTC"),)


def names(rules: EnvironmentRules, scope: Scope | None = None) -> set[str]:
    return {gate.name for gate in asked(rules, scope)}


def test_each_level_asks_for_more() -> None:
    seen = [names(replace(RULES, requires=level)) for level in Level]
    assert seen[0] == ALWAYS
    assert seen[1] - seen[0] == {"self-reviewed", "content-unchanged", "lint-clean", "rehearsed"}
    assert seen[2] - seen[1] == {"peer-reviewed"}
    assert seen[3] - seen[2] == {"approved"}
    assert seen[0] < seen[1] < seen[2] < seen[3]


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize(
    ("key", "value", "gate"),
    [
        ("upstream", ("dev",), "upstream-applied"),
        ("soak", parse_duration("24h"), "soaked"),
        ("soak", parse_duration("0s"), "soaked"),
        ("windows", WINDOWS, "in-window"),
    ],
)
def test_what_is_configured_is_asked_at_every_level(level: Level, key: str, value: Any, gate: str) -> None:
    rules = replace(RULES, requires=level)
    assert names(replace(rules, **{key: value})) - names(rules) == {gate}


def test_gates_are_about_the_migration_or_about_the_target() -> None:
    rules = replace(RULES, requires=Level.APPROVED, upstream=("dev",), soak=parse_duration("1h"), windows=WINDOWS)
    target = names(rules, Scope.TARGET)
    assert target == {"policy-current", "applier-allowed", "target-identified", "no-open-attempt", "drift-free"}
    assert target | names(rules, Scope.MIGRATION) == names(rules)
    down = {gate.name for gate in asked(rules, direction=Direction.DOWNGRADE)}
    assert down - names(rules) == {"reversible", "downstream-rolled-back"}
    assert names(rules) | down == {gate.name for gate in all_gates()}
    assert not down & {"soaked", "in-window", "policy-current", "approved"}  # nothing that keeps a rollback back
    assert {gate.name for gate in all_gates() if gate.waivable} == {"soaked", "in-window"}


def test_an_approved_migration_on_its_way_to_an_empty_production_passes_everything() -> None:
    keys = {"soak": parse_duration("1h"), "windows": (parse_window("tue 09:00-10:00 UTC"),)}
    decision = judge(facts(keys=keys))
    assert decision.allowed, decision.blockers
    upward = [gate.name for gate in all_gates() if Direction.UPGRADE in gate.directions]
    assert [verdict.gate for verdict in decision.verdicts] == upward


def test_all_gates_answer_and_not_only_the_first_that_fails() -> None:
    decision = judge(facts(opened(), upstream={"staging": None}, actor=""))
    assert {verdict.gate for verdict in decision.blockers} == {
        *("tracked", "self-reviewed", "content-unchanged", "peer-reviewed", "approved"),
        *("upstream-applied", "applier-allowed", "lint-clean", "rehearsed"),
    }


def test_each_gate_is_asked_by_itself() -> None:
    """One wrong thing is named by the gates that it concerns and by no other."""
    decision = judge(facts(approved(), manifest=OTHER_BYTES))
    assert {verdict.gate for verdict in decision.blockers} == {
        *("self-reviewed", "content-unchanged", "peer-reviewed", "approved", "upstream-applied"),
        *("lint-clean", "rehearsed"),
    }


@pytest.mark.parametrize("gate", all_gates(), ids=lambda gate: gate.name)
def test_each_gate_has_a_file_of_its_name_a_page_and_cases(gate: Any) -> None:
    module = inspect.getmodule(gate.judge)
    assert module is not None
    assert module.__name__.rpartition(".")[2] == gate.name.replace("-", "_")
    assert "Clears it:" in (module.__doc__ or "")
    assert {case.passed for case in cases() if case.gate == gate.name} == {True, False}


def test_names_and_places_are_each_gate_s_own() -> None:
    assert len({gate.name for gate in all_gates()}) == len({gate.order for gate in all_gates()}) == len(all_gates())


def cases() -> list[Case]:
    modules = [
        importlib.import_module(f"tests.gates.{info.name}") for info in pkgutil.iter_modules(tests.gates.__path__)
    ]
    return [case for module in modules for case in getattr(module, "CASES", ())]
